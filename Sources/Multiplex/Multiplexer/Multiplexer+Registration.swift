public import SystemPackage

extension Multiplexer {
  /// A registered descriptor.
  public struct Registration {
    /// The descriptor.
    public let descriptor: FileDescriptor
    /// What it is watched for.
    public let interest: Interest
    /// When it is reported.
    public let mode: TriggerMode
    /// The caller's value for it.
    public let attachment: Attachment

    @usableFromInline
    init(descriptor: FileDescriptor, interest: Interest, mode: TriggerMode, attachment: Attachment) {
      self.descriptor = descriptor
      self.interest = interest
      self.mode = mode
      self.attachment = attachment
    }
  }
}

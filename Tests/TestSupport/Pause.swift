import Multiplex
import SystemPackage

/// Lets the thread rest, as an empty select does.
func pause(_ duration: Duration) {
  _ = try? select(reading: EmptyCollection<FileDescriptor>(), timeout: duration)
}

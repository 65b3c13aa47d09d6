/// How listeners share an address (`SO_REUSEPORT`).
enum PortSharing {
  /// Nothing else may listen there.
  case none
  /// Nothing else listens there, but others may join: an address that another program uses is detected.
  case founding
  /// Others may already listen there, if they share too.
  case joining
}

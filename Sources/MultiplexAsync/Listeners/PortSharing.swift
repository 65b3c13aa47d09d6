/// How listeners share an address (`SO_REUSEPORT`).
enum PortSharing {
  /// Nobody else may listen there.
  case none
  /// Nobody else listens there, but others may join: an address that another program has taken is found out.
  case founding
  /// Others may listen there already, if they share too.
  case joining
}

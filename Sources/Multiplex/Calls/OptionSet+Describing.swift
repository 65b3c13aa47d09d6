extension OptionSet where Element == Self {
  /// The names of the members, in the order given.
  func names(of members: [(member: Self, name: String)]) -> [String] {
    members.filter { contains($0.member) }.map(\.name)
  }
}

extension OptionSet where RawValue: FixedWidthInteger, Element == Self {
  /// The names of the members, separated by bars, and the bits without a name in hexadecimal: "POLLIN|0x1000". Without
  /// any, "0".
  func describe(_ members: [(member: Self, name: String)]) -> String {
    let rest = subtracting(Self(members.map(\.member)))
    let unnamed = rest.isEmpty ? [] : ["0x" + String(RawValue.Magnitude(truncatingIfNeeded: rest.rawValue), radix: 16)]
    let words = names(of: members) + unnamed
    return words.isEmpty ? "0" : words.joined(separator: "|")
  }
}

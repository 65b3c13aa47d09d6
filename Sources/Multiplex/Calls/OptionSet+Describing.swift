extension OptionSet where RawValue: FixedWidthInteger, Element == Self {
  /// The names of the members, separated by bars, and the bits without a name in hexadecimal: "POLLIN|0x1000". Without
  /// any, "0".
  func describe(_ names: [(member: Self, name: String)]) -> String {
    var words: [String] = []
    var rest = self
    for (member, name) in names where contains(member) {
      words.append(name)
      rest.subtract(member)
    }
    if !rest.isEmpty { words.append("0x" + String(UInt64(truncatingIfNeeded: rest.rawValue), radix: 16)) }
    return words.isEmpty ? "0" : words.joined(separator: "|")
  }
}

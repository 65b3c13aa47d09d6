/// Text in columns, each as wide as its widest cell.
struct Table {
  /// The alignment of cells in their columns. Right-aligned numbers are easier to compare.
  enum Alignment {
    case left, right, rightButFirst
  }

  private var rows: [[String]]
  private let alignment: Alignment

  init(header: [String], alignment: Alignment = .left) {
    rows = [header]
    self.alignment = alignment
  }

  mutating func append(_ row: [String]) {
    rows.append(row)
  }

  /// The lines, header first, without trailing spaces.
  var lines: [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).enumerated().map { column, cell in pad(cell.0, to: cell.1, column: column) }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private func pad(_ cell: String, to width: Int, column: Int) -> String {
    let blanks = String(repeating: " ", count: width - cell.count)
    let isLeft = alignment == .left || (alignment == .rightButFirst && column == 0)
    return isLeft ? cell + blanks : blanks + cell
  }
}

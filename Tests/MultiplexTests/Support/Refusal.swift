import Multiplex

/// Why a call was refused; nil if it wasn't.
func refusal(_ body: () throws(MultiplexError) -> Void) -> MultiplexError.Reason? {
  do {
    try body()
    return nil
  } catch {
    return error.reason
  }
}

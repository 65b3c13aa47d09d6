/// What `mux compare` is to do.
struct ComparePlan {
  /// How many descriptors to wait for, in rising order.
  let descriptors: [Int]
  /// How many of them are active at a time.
  let active: Int
  /// How often each backend has its turn with each number of descriptors.
  let rounds: Int
}

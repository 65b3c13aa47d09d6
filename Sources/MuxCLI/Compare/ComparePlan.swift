/// The work of `mux compare`.
struct ComparePlan {
  /// The numbers of descriptors to wait for, in ascending order.
  let descriptors: [Int]
  /// The number of descriptors that are active at a time.
  let active: Int
  /// How often each backend is measured with each number of descriptors.
  let rounds: Int
}

/// Whether the caller, whose `#isolation` is passed, runs in no actor.
///
/// A function, as the compiler crashes on the comparison where it is needed (Swift 6.3.1).
func isNoActor(_ isolation: (any Actor)?) -> Bool { isolation == nil }

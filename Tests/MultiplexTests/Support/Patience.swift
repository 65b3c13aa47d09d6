/// Longer than anything takes that is to happen at all; only tests that fail wait as long.
let patience = Duration.seconds(30)

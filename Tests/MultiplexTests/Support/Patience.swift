/// Longer than anything takes that happens at all. Only failing tests wait this long.
let patience = Duration.seconds(30)

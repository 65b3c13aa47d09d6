// swift-tools-version: 6.2
import PackageDescription

// A separate package, so that users of the library don't have to build its benchmarks.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
let libraries: [Target.Dependency] = [
  .product(name: "Multiplex", package: "swift-multiplex"),
  .product(name: "SystemPackage", package: "swift-system"),
]

let package = Package(
  name: "multiplex-benchmarks",
  products: [
    .executable(name: "async-echo", targets: ["AsyncEcho"]),
    .executable(name: "bare-tasks", targets: ["BareTasks"]),
    .executable(name: "poller-bench", targets: ["PollerBench"]),
  ],
  dependencies: [
    .package(name: "swift-multiplex", path: ".."),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
  ],
  targets: [
    .executableTarget(
      name: "AsyncEcho",
      dependencies: libraries + [.product(name: "MultiplexAsync", package: "swift-multiplex")],
      swiftSettings: settings),
    .executableTarget(name: "BareTasks", dependencies: libraries, swiftSettings: settings),
    .executableTarget(name: "PollerBench", dependencies: libraries, swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

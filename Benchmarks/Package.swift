// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody who depends on the library has to build its benchmarks.
let package = Package(
  name: "multiplex-benchmarks",
  products: [
    .executable(name: "poller-bench", targets: ["PollerBench"])
  ],
  dependencies: [
    .package(name: "swift-multiplex", path: "..")
  ],
  targets: [
    .executableTarget(
      name: "PollerBench",
      dependencies: [.product(name: "Multiplex", package: "swift-multiplex")],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
      ])
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
import PackageDescription

// A separate package, because only this benchmark needs FlyingFox.
let package = Package(
  name: "multiplex-http-benchmark",
  dependencies: [
    .package(name: "swift-multiplex", path: "../..", traits: ["FlyingFox"]),
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
  ],
  targets: [
    .executableTarget(
      name: "HTTPServerBench",
      dependencies: [
        .product(name: "Multiplex", package: "swift-multiplex"),
        .product(name: "MultiplexAsync", package: "swift-multiplex"),
        .product(name: "MultiplexFlyingFox", package: "swift-multiplex"),
        .product(name: "FlyingFox", package: "FlyingFox"),
        .product(name: "FlyingSocks", package: "FlyingFox"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
      ])
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
import PackageDescription

/// One place for what every Swift target is compiled with.
let settings: [SwiftSetting] = {
  var settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    // Fault injection for tests. Not compiled into release builds.
    .define("MULTIPLEX_FAULTS", .when(configuration: .debug)),
  ]
  // For our own continuous integration: a package that depends on this one must never break on a new compiler's warning.
  if Context.environment["MULTIPLEX_WARNINGS_AS_ERRORS"] != nil {
    settings.append(.treatAllWarnings(as: .error))
  }
  return settings
}()

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// A product of swift-service-lifecycle, for those who want it.
func lifecycle(_ name: String) -> Target.Dependency {
  .product(name: name, package: "swift-service-lifecycle", condition: .when(traits: ["ServiceLifecycle"]))
}

/// A product of FlyingFox, for those who want it.
func flyingFox(_ name: String) -> Target.Dependency {
  .product(name: name, package: "FlyingFox", condition: .when(traits: ["FlyingFox"]))
}

/// An example is one executable; the tutorial's are written on `Multiplex` alone. None is a product: `swift run` knows
/// them here, and packages that depend on this one may have others of the same names.
func example(_ name: String, _ folder: String, with libraries: [Target.Dependency] = []) -> Target {
  .executableTarget(
    name: name, dependencies: ["Multiplex", systemPackage] + libraries, path: "Examples/\(folder)",
    swiftSettings: settings)
}

let package = Package(
  name: "swift-multiplex",
  products: [
    .library(name: "Multiplex", targets: ["Multiplex"]),
    .library(name: "MultiplexAsync", targets: ["MultiplexAsync"]),
    .library(name: "MultiplexLogging", targets: ["MultiplexLogging"]),
    .library(name: "MultiplexServiceLifecycle", targets: ["MultiplexServiceLifecycle"]),
    .library(name: "MultiplexFlyingFox", targets: ["MultiplexFlyingFox"]),
    .executable(name: "mux", targets: ["MuxCLI"]),
  ],
  // What only some need. Without its trait a target is empty, and its dependency is neither fetched nor built.
  traits: [
    .trait(name: "ServiceLifecycle", description: "A listener as a service of swift-service-lifecycle."),
    .trait(name: "FlyingFox", description: "FlyingFox, an HTTP server, on a reactor; and mux serve --inspect."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CMultiplex"),
    .target(
      name: "Multiplex", dependencies: ["CMultiplex", systemPackage], swiftSettings: settings),
    .target(
      name: "MultiplexAsync", dependencies: ["Multiplex", "CMultiplex", systemPackage], swiftSettings: settings),
    .target(
      name: "MultiplexLogging",
      dependencies: ["MultiplexAsync", "Multiplex", .product(name: "Logging", package: "swift-log"), systemPackage],
      swiftSettings: settings),
    .target(
      name: "MultiplexServiceLifecycle", dependencies: ["Multiplex", "MultiplexAsync", lifecycle("ServiceLifecycle")],
      swiftSettings: settings),
    .target(
      name: "MultiplexFlyingFox",
      dependencies: ["Multiplex", "MultiplexAsync", systemPackage, flyingFox("FlyingSocks")],
      swiftSettings: settings),
    .executableTarget(
      name: "MuxCLI",
      dependencies: [
        "Multiplex", "MultiplexAsync", systemPackage,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        // For `--inspect`.
        .target(name: "MultiplexFlyingFox", condition: .when(traits: ["FlyingFox"])),
        flyingFox("FlyingFox"), flyingFox("FlyingSocks"),
      ],
      swiftSettings: settings),
    example("echo-select", "EchoSelect"),
    example("echo-queued", "EchoQueued"),
    example("echo-complete", "EchoComplete"),
    example("echo-client", "EchoClient"),
    example(
      "multiplex-chat", "Chat",
      with: ["MultiplexAsync", "MultiplexLogging", .product(name: "Logging", package: "swift-log")]),
    .target(name: "CTestSupport", path: "Tests/CTestSupport"),
    .target(
      name: "TestSupport", dependencies: ["Multiplex", "CMultiplex", systemPackage], path: "Tests/TestSupport",
      swiftSettings: settings),
    .testTarget(
      name: "MultiplexTests",
      dependencies: ["Multiplex", "CMultiplex", "TestSupport", "CTestSupport", systemPackage],
      swiftSettings: settings),
    .testTarget(
      name: "MultiplexAsyncTests",
      dependencies: [
        "MultiplexAsync", "MultiplexLogging", "Multiplex", "TestSupport", systemPackage,
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "DocumentationTests",
      dependencies: [
        "Multiplex", "MultiplexAsync", "MultiplexLogging", systemPackage,
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "MultiplexServiceLifecycleTests",
      dependencies: [
        "MultiplexServiceLifecycle", "MultiplexAsync", "Multiplex", "TestSupport",
        lifecycle("ServiceLifecycle"), lifecycle("UnixSignals"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "MultiplexFlyingFoxTests",
      dependencies: [
        "MultiplexFlyingFox", "MultiplexAsync", "Multiplex", "TestSupport", systemPackage,
        flyingFox("FlyingFox"), flyingFox("FlyingSocks"),
      ],
      swiftSettings: settings),
    .testTarget(name: "MuxCLITests", dependencies: ["MuxCLI"], swiftSettings: settings),
    .testTarget(
      name: "ProgramTests",
      // The programs are dependencies so that they are built before they are run.
      dependencies: [
        "Multiplex", "MultiplexAsync", "TestSupport", systemPackage,
        "MuxCLI", "echo-select", "echo-queued", "echo-complete", "echo-client", "multiplex-chat",
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

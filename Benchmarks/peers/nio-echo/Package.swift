// swift-tools-version: 6.2
import PackageDescription

// A separate package: SwiftNIO takes minutes to build, and our own benchmarks don't need it.
let package = Package(
  name: "nio-echo",
  products: [.executable(name: "nio-echo", targets: ["NIOEcho"])],
  dependencies: [.package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")],
  targets: [
    .executableTarget(
      name: "NIOEcho",
      dependencies: [
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ])
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "flying-echo",
  products: [.executable(name: "flying-echo", targets: ["FlyingEcho"])],
  dependencies: [.package(url: "https://github.com/swhitty/FlyingFox", exact: "0.27.1")],
  targets: [
    .executableTarget(name: "FlyingEcho", dependencies: [.product(name: "FlyingSocks", package: "FlyingFox")])
  ],
  swiftLanguageModes: [.v6]
)

@main enum Mux { static func main() {} }

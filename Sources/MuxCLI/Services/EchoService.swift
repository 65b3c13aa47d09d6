/// RFC 862: sends back what arrives.
struct EchoService: Service {
  let returnsInput = true
  let end = ServiceEnd.input
}

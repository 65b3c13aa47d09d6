/// RFC 863: throws away what arrives, and says nothing.
struct DiscardService: Service {
  let returnsInput = false
  let end = ServiceEnd.input
}

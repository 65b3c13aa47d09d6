/// Whom to tell of a completion, by a number that is given out again only when no completion can name it any more.
typealias HandlerTable = SlotTable<any CompletionHandler>

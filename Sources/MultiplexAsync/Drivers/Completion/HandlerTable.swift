/// Handlers of completions, by a number that is reused only when no completion can name it any more.
typealias HandlerTable = SlotTable<any CompletionHandler>

//! What is told of a panic: where it happened, always; its words only where they cannot quote what a client sent.

use std::cell::Cell;

thread_local! {
    static WORDLESS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic within it is logged without its message. The message of an index out of bounds, say, quotes the
/// string that was cut, and a review may hold credentials.
pub fn without_words<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WORDLESS.set(self.0);
        }
    }
    let _restore = Restore(WORDLESS.replace(true));
    f()
}

/// Sends panics to the log, one line each.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let words = if WORDLESS.get() {
            None
        } else {
            info.payload_as_str()
        };
        tracing::error!(location, words, "panic");
    }));
}

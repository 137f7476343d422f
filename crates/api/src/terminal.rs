//! The terminal that the service was started from.

use std::io::{IsTerminal, stderr, stdin, stdout};

/// Which of the standard streams were a terminal at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal([bool; 3]);

impl Terminal {
    /// Looks at the standard streams.
    pub(crate) fn look() -> Self {
        Self([stdin().is_terminal(), stdout().is_terminal(), stderr().is_terminal()])
    }

    /// Whether a stream that was a terminal is one no more: its window was closed, or its connection has ended.
    pub(crate) fn is_gone(self) -> bool {
        self.is_gone_from(Self::look())
    }

    fn is_gone_from(self, now: Self) -> bool {
        self.0.iter().zip(now.0).any(|(before, now)| *before && !now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_gone_when_a_stream_loses_it() {
        let all = Terminal([true; 3]);
        assert!(!all.is_gone_from(all));
        assert!(all.is_gone_from(Terminal([true, true, false])));
        assert!(Terminal([true, false, false]).is_gone_from(Terminal([false; 3])));
    }

    #[test]
    fn without_a_terminal_none_is_gone() {
        assert!(!Terminal([false; 3]).is_gone_from(Terminal([false; 3])));
        assert!(!Terminal([false; 3]).is_gone_from(Terminal([true; 3])));
    }
}

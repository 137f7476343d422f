//! The widest vectors of the CPU at hand.

use pulp::Arch;

/// Runs `f`, compiled once more for CPUs with wider vectors and for those chosen when it is called.
///
/// The compiler spreads the same additions and multiplications over wider registers. It neither reorders nor
/// fuses them, so no bit depends on the CPU. What is not inlined into `f` stays as it is: functions below it
/// are `#[inline(always)]`.
#[inline]
pub(crate) fn with_widest_vectors<R>(f: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(f)
}

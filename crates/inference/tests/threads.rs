//! A prediction starts no threads. In a binary of its own, where no other test starts any either.

#![cfg(target_os = "linux")]

use domain::Measurements;
use inference::Model;

#[test]
fn loading_and_predicting_start_no_threads() {
    let n_threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = n_threads();
    let model = Model::embedded().unwrap();
    let rows = vec![Measurements::from_row([3.0; domain::N_FEATURES]); 10_000];
    model.predict(&rows[0]).unwrap();
    model.predict_batch(&rows).unwrap();
    assert_eq!(n_threads(), before);
}

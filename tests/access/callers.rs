//! Callers are told apart by their keys.

use super::Keyed;
use crate::support::flower;

#[tokio::test]
async fn idempotency_keys_of_two_callers_never_meet() {
    let mut keyed = Keyed::start().await;
    let first = keyed.key(&["--scope", "predict"]).await;
    let second = keyed.key(&["--scope", "predict"]).await;
    let mut other = flower();
    other["petal_length"] = 4.5.into();
    let mut answers = Vec::new();
    for (secret, row) in [(&first, flower()), (&second, other), (&first, flower())] {
        let request = keyed.service.post("/predict", &row).bearer_auth(secret);
        let answer = keyed.answer(request.header("Idempotency-Key", "same")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answers.push((answer.header("idempotency-replayed").to_owned(), answer.body));
    }
    assert_eq!(answers[0].1, answers[2].1);
    assert_ne!(answers[0].1, answers[1].1);
    let replayed: Vec<_> = answers.iter().map(|answer| answer.0.as_str()).collect();
    assert_eq!(replayed, ["", "", "true"]);
    assert_eq!(keyed.database.counts().await, (2, 2, 2));
}

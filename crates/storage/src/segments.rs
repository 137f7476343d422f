//! The record cut into ranges of ids, the newest first, each of which one partition has to itself.

use uuid::Uuid;

use crate::part_statements::PartStatements;
use crate::parts::Parts;

/// A range of ids, and the partition that they are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// The smallest id of it.
    pub(crate) from: Uuid,
    /// The smallest id beyond it.
    pub(crate) to: Uuid,
    pub(crate) statements: &'a PartStatements,
}

impl<'a> Segment<'a> {
    /// The part of it between these bounds, if there is one.
    fn within(self, from: Uuid, to: Uuid) -> Option<Self> {
        let (from, to) = (self.from.max(from), self.to.min(to));
        (from < to).then_some(Self { from, to, ..self })
    }
}

/// All of them between these bounds. The default partition has the ranges that no other takes; without it there is no answer.
pub(crate) fn segments(parts: &Parts, from: Uuid, to: Uuid) -> Option<Vec<Segment<'_>>> {
    let default = &parts.default.as_ref()?.statements;
    let mut all = Vec::new();
    let mut beyond = Uuid::max();
    for part in &parts.parts {
        all.push(Segment { from: part.to, to: beyond, statements: default });
        all.push(Segment { from: part.from, to: part.to, statements: &part.statements });
        beyond = part.from;
    }
    all.push(Segment { from: Uuid::nil(), to: beyond, statements: default });
    Some(all.into_iter().filter_map(|segment| segment.within(from, to)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::Part;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn part(from: u128, to: u128) -> Part {
        let statements = PartStatements::compose(&format!("_{from}"), true);
        Part { from: id(from), to: id(to), statements }
    }

    /// The ranges between these bounds, and whether each is of the default.
    fn ranges(parts: &Parts, from: u128, to: u128) -> Vec<(u128, u128, bool)> {
        let default = &parts.default.as_ref().unwrap().statements;
        let all = segments(parts, id(from), id(to)).unwrap();
        all.iter()
            .map(|it| (it.from.as_u128(), it.to.as_u128(), std::ptr::eq(it.statements, default)))
            .collect()
    }

    #[test]
    fn every_id_is_in_one_segment() {
        let parts = vec![part(70, 80), part(50, 60), part(0, 50)];
        let parts = Parts { parts, default: Some(part(0, u128::MAX)), state: 0 };
        let all =
            [(80, 1_000, true), (70, 80, false), (60, 70, true), (50, 60, false), (0, 50, false)];
        assert_eq!(ranges(&parts, 0, 1_000), all);
        assert_eq!(ranges(&parts, 55, 75), [(70, 75, false), (60, 70, true), (55, 60, false)]);
        assert_eq!(ranges(&parts, 80, 80), []);
        assert!(segments(&Parts { default: None, ..parts }, id(0), id(1)).is_none());
    }
}

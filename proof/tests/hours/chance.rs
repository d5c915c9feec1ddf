//! Chance, from the one seed of a run.

use std::time::Duration;

use watchkeep_proof::objects::{Area, COLORS, FILLS, Look, NAMES, NAMESPACES, NODES, Place, Selection, View};
use watchkeep_storage::Environment;

/// What is drawn from the environment of a run.
pub(crate) trait Chance {
    /// A number below another one.
    fn below(&self, end: usize) -> usize;

    /// Whether what happens once in so many times happens.
    fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A time up to another one.
    fn up_to(&self, longest: Duration) -> Duration {
        let millis = usize::try_from(longest.as_millis()).unwrap();
        Duration::from_millis(self.below(millis + 1) as u64)
    }

    /// One of them.
    fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        *choices.get(self.below(choices.len())).unwrap()
    }

    /// A place of the one resource.
    fn place(&self) -> Place {
        Place { resource: 0, namespace: self.below(NAMESPACES.len()), name: self.below(NAMES.len()) }
    }

    /// What an object looks like. Few are large.
    fn look(&self) -> Look {
        let fill = if self.one_in(50) { FILLS.len() - 1 } else { self.below(FILLS.len() - 1) };
        Look { color: self.below(COLORS.len()), node: self.below(NODES.len()), fill }
    }

    /// What a reader sees.
    fn view(&self) -> View {
        let place = self.place();
        let area = match self.below(5) {
            0 | 1 => Area::All,
            2 | 3 => Area::Namespace(place.namespace),
            _ => Area::One(place.namespace, place.name),
        };
        let selection = self.one_of(&[
            Selection::Everything,
            Selection::Everything,
            Selection::Red,
            Selection::NotRed,
            Selection::Colored,
            Selection::OnNode1,
            Selection::NamedX,
            Selection::ColoredOnNode1,
        ]);
        View { resource: 0, area, selection }
    }
}

impl Chance for Environment {
    fn below(&self, end: usize) -> usize {
        usize::try_from(self.random() % end as u64).unwrap()
    }
}

//! Ways to rows that decisions look for again and again: a batch holds hundreds of contacts.

use std::collections::HashMap;

use crate::enrollment::Enrollment;
use crate::id::{ContactId, EnrollmentId, TouchId, TouchKey};
use crate::touch::Touch;

use super::World;

/// Derived from the rows; made anew when rows were added behind its back.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    enrollments: HashMap<ContactId, Vec<EnrollmentId>>,
    touches: HashMap<EnrollmentId, Vec<TouchId>>,
    keys: HashMap<TouchKey, TouchId>,
    /// How many enrollments and touches there were.
    counted: (usize, usize),
}

impl World {
    /// Makes the index, unless it is there.
    pub(crate) fn index(&mut self) {
        if self.index.counted != (self.enrollments.len(), self.touches.len()) {
            self.reindex();
        }
    }

    /// Makes the index anew: enrollments or touches have moved.
    pub(crate) fn reindex(&mut self) {
        let mut index = Index { counted: (self.enrollments.len(), self.touches.len()), ..Index::default() };
        for (id, enrollment) in self.enrollments.iter() {
            index.enrollments.entry(enrollment.contact).or_default().push(*id);
        }
        for (id, touch) in self.touches.iter() {
            index.touches.entry(touch.enrollment).or_default().push(*id);
            index.keys.insert(touch.key, *id);
        }
        self.index = index;
    }

    /// The enrollments of a contact, ended ones too, in row order.
    pub(crate) fn enrollments_of(&self, contact: ContactId) -> impl Iterator<Item = &Enrollment> {
        let ids = self.index.enrollments.get(&contact).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.enrollments.get(id))
    }

    /// The touches of an enrollment, in row order.
    pub(crate) fn touches_of(&self, enrollment: EnrollmentId) -> impl Iterator<Item = &Touch> {
        let ids = self.index.touches.get(&enrollment).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.touches.get(id))
    }

    /// The touch of a key.
    pub(crate) fn touch_by_key(&self, key: TouchKey) -> Option<&Touch> {
        self.touches.get(self.index.keys.get(&key)?)
    }

    /// Adds an enrollment.
    pub(crate) fn add_enrollment(&mut self, enrollment: Enrollment) {
        self.index.enrollments.entry(enrollment.contact).or_default().push(enrollment.id);
        self.enrollments.put(enrollment.id, enrollment);
        self.index.counted.0 = self.enrollments.len();
    }

    /// Adds a touch.
    pub(crate) fn add_touch(&mut self, touch: Touch) {
        self.index.touches.entry(touch.enrollment).or_default().push(touch.id);
        self.index.keys.insert(touch.key, touch.id);
        self.touches.put(touch.id, touch);
        self.index.counted.1 = self.touches.len();
    }
}

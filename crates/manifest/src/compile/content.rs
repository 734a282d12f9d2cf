//! Templates, segments and calendars.

use domain::catalog::TemplateSpec;
use domain::expr::Position;
use domain::id::{SegmentName, TemplateName, VersionId};
use domain::time::Calendar;

use super::expression::Around;
use super::{Compiler, Content};
use crate::model::{At, CalendarSpec, SegmentSpec, TemplateFile};

impl Compiler<'_> {
    pub(super) fn segment(&mut self, spec: &SegmentSpec) -> Option<Content> {
        let when = self.expression(&spec.when, Around::new(Position::Segment, &[]))?;
        Some(Content::Segment(SegmentName::new(&self.document.name).ok()?, when))
    }

    pub(super) fn calendar(&mut self, spec: &CalendarSpec) -> Option<Calendar> {
        let closed = spec.closed.0.iter().filter_map(At::get).cloned().collect();
        Some(Calendar::new(self.document.name.clone(), closed))
    }

    pub(super) fn template(&mut self, _file: &TemplateFile, _version: VersionId) -> Option<TemplateSpec> {
        let _ = TemplateName::new(&self.document.name).ok()?;
        None
    }
}

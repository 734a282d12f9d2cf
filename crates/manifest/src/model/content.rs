//! What every file begins with, and `kind: Template`, `Segment` and `Calendar`.

use domain::id::Workspace;
use domain::touch::Channel;

use super::leaf::Cel;
use super::read::{At, List, Maybe, Named, mapping};
use super::time::ClosedDays;

mapping! {
    /// The name of the document, and what it is filed under.
    Metadata {
        /// Its name, unique among its kind.
        "name" name: At<String>,
        /// To whom it belongs; `main` by default.
        "workspace" workspace: Maybe<Workspace>,
        /// Labels, for reports.
        "labels" labels: Maybe<Named<String>>,
    }
}

mapping! {
    /// A template: what is sent or said.
    TemplateFile {
        /// The channel that it is for.
        "channel" channel: At<Channel>,
        /// The subject line.
        "subject" subject: Maybe<String>,
        /// The message, as plain text.
        "text" text: Maybe<String>,
        /// The message as HTML, beside the text.
        "html" html: Maybe<String>,
        /// What to say, for calls and voicemails.
        "script" script: Maybe<String>,
        /// Fields that must be there, besides every field that is used without a default.
        "requires" requires: List<String>,
    }
}

mapping! {
    /// A segment: a condition with a name, `segment("name")` in any expression.
    SegmentSpec {
        /// The condition.
        "when" when: At<Cel>,
    }
}

mapping! {
    /// A calendar: dates on which nothing goes out.
    CalendarSpec {
        /// Dates, and spans of dates.
        "closed" closed: ClosedDays,
    }
    later { "ics" }
}

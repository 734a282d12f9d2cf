//! The kinds of canonical events.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happened. Sources may send every kind but the `manual_*` ones, which the API and command line record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// All kinds, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in files, payloads and topics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads a name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A form was filled.
    FormSubmitted = "form_submitted",
    /// An asset was downloaded.
    ContentDownloaded = "content_downloaded",
    /// An ad was clicked.
    AdClicked = "ad_clicked",
    /// A page was visited.
    PageVisited = "page_visited",
    /// Put on a list.
    ListAdded = "list_added",
    /// Taken off a list.
    ListRemoved = "list_removed",
    /// Registered for a webinar.
    WebinarRegistered = "webinar_registered",
    /// Came to a webinar.
    WebinarAttended = "webinar_attended",
    /// Registered and did not come.
    WebinarMissed = "webinar_missed",
    /// Came to an event or booth.
    EventAttended = "event_attended",
    /// An e-mail left.
    EmailSent = "email_sent",
    /// An e-mail arrived.
    EmailDelivered = "email_delivered",
    /// An e-mail was opened.
    EmailOpened = "email_opened",
    /// A link was clicked.
    EmailClicked = "email_clicked",
    /// The contact answered.
    Replied = "replied",
    /// An address bounced.
    Bounced = "bounced",
    /// Marked as spam.
    Complained = "complained",
    /// Opted out, of one channel or all.
    Unsubscribed = "unsubscribed",
    /// Opted in again.
    Resubscribed = "resubscribed",
    /// A call ended.
    CallCompleted = "call_completed",
    /// A meeting was booked.
    MeetingBooked = "meeting_booked",
    /// A meeting took place.
    MeetingHeld = "meeting_held",
    /// A meeting was cancelled.
    MeetingCancelled = "meeting_cancelled",
    /// Nobody came to the meeting.
    MeetingNoShow = "meeting_no_show",
    /// A task was marked complete.
    TaskCompleted = "task_completed",
    /// A task was deleted in the CRM.
    TaskDeleted = "task_deleted",
    /// A touch was not worked in time.
    TouchOverdue = "touch_overdue",
    /// A deal was opened.
    DealOpened = "deal_opened",
    /// A deal changed.
    DealUpdated = "deal_updated",
    /// A deal was won.
    DealWon = "deal_won",
    /// A deal was lost.
    DealLost = "deal_lost",
    /// A connection request was accepted.
    ConnectionAccepted = "connection_accepted",
    /// A contact was created.
    ContactCreated = "contact_created",
    /// A contact changed.
    ContactUpdated = "contact_updated",
    /// Two contacts became one.
    ContactMerged = "contact_merged",
    /// A contact was deleted, for privacy or otherwise.
    ContactDeleted = "contact_deleted",
    /// Nothing was heard of a contact for long.
    ContactInactive = "contact_inactive",
    /// Someone else works the contact now.
    OwnerChanged = "owner_changed",
    /// A score changed.
    ScoreChanged = "score_changed",
    /// The person left the company.
    LeftCompany = "left_company",
    /// Judged not to fit.
    NotAFit = "not_a_fit",
    /// An account changed.
    AccountUpdated = "account_updated",
    /// Funding, hiring, leadership, technology, intent, …
    SignalDetected = "signal_detected",
    /// Any other name.
    Custom = "custom",
    /// A person enrolled the contact.
    ManualEnroll = "manual_enroll",
    /// A person paused an enrollment.
    ManualPause = "manual_pause",
    /// A person resumed an enrollment.
    ManualResume = "manual_resume",
    /// A person removed an enrollment.
    ManualRemove = "manual_remove",
    /// A person re-drove a failed or unknown touch.
    ManualRedrive = "manual_redrive",
    /// A person skipped a touch.
    ManualSkip = "manual_skip",
}

/// Whether an event applies whenever it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopClass {
    /// Opt-out, complaint or erasure: always applies, however late.
    Always,
    /// Any other kind.
    Ordinary,
}

impl EventKind {
    /// Whether sources may send it; the others come from our own API and command line only.
    #[must_use]
    pub fn is_external(self) -> bool {
        !matches!(
            self,
            Self::ManualEnroll
                | Self::ManualPause
                | Self::ManualResume
                | Self::ManualRemove
                | Self::ManualRedrive
                | Self::ManualSkip
        )
    }

    /// Whether it is of the stop class.
    #[must_use]
    pub fn stop_class(self) -> StopClass {
        match self {
            Self::Unsubscribed | Self::Complained | Self::ContactDeleted => StopClass::Always,
            _ => StopClass::Ordinary,
        }
    }

    /// Whether the contact did something of their own: `contact.last_inbound_at`. An open is no such thing: mail clients
    /// fetch pictures ahead of any reader.
    #[must_use]
    pub fn is_inbound(self) -> bool {
        matches!(
            self,
            Self::FormSubmitted
                | Self::ContentDownloaded
                | Self::AdClicked
                | Self::PageVisited
                | Self::WebinarRegistered
                | Self::WebinarAttended
                | Self::EventAttended
                | Self::EmailClicked
                | Self::Replied
                | Self::MeetingBooked
                | Self::MeetingHeld
                | Self::ConnectionAccepted
                | Self::Resubscribed
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

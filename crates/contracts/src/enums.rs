//! Enums whose variants are named alike in domain and wire. A variant that only one side has does not compile.

use domain::event::{Bounce, Classification, EventKind};
use domain::touch::Channel;

use crate::wire;

macro_rules! same_names {
    ($type:ident: $to_wire:ident, $from_wire:ident; $($variant:ident)*) => {
        pub(crate) fn $to_wire(value: $type) -> wire::$type {
            match value { $($type::$variant => wire::$type::$variant,)* }
        }

        pub(crate) fn $from_wire(value: wire::$type) -> Option<$type> {
            match value {
                wire::$type::Unspecified => None,
                $(wire::$type::$variant => Some($type::$variant),)*
            }
        }
    };
}

same_names! {
    EventKind: kind_to_wire, kind_from_wire;
    FormSubmitted ContentDownloaded AdClicked PageVisited ListAdded ListRemoved
    WebinarRegistered WebinarAttended WebinarMissed EventAttended
    EmailSent EmailDelivered EmailOpened EmailClicked Replied Bounced Complained Unsubscribed Resubscribed
    CallCompleted MeetingBooked MeetingHeld MeetingCancelled MeetingNoShow
    TaskCompleted TaskDeleted TouchOverdue DealOpened DealUpdated DealWon DealLost ConnectionAccepted
    ContactCreated ContactUpdated ContactMerged ContactDeleted ContactInactive OwnerChanged ScoreChanged
    LeftCompany NotAFit AccountUpdated SignalDetected Custom
    ManualEnroll ManualPause ManualResume ManualRemove ManualRedrive ManualSkip
}

same_names! {
    Channel: channel_to_wire, channel_from_wire;
    Email Call Voicemail LinkedinView LinkedinConnect LinkedinMessage Social Sms Video DirectMail Task
}

same_names! {
    Classification: classification_to_wire, classification_from_wire;
    Positive Negative NotNow OutOfOffice WrongPerson Unsubscribe Unknown
}

same_names! {
    Bounce: bounce_to_wire, bounce_from_wire;
    Hard Soft
}

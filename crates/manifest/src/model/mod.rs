//! The files as their authors write them: which keys there are and what may stand in them. One description makes both the
//! reader and the JSON Schema.

mod cadence;
mod content;
mod leaf;
pub(crate) mod read;
mod step;
mod time;

pub(crate) use cadence::{
    CadenceSpec, CapFile, EffectWord, EntryFile, Exclusive, ExitRuleFile, JumpFile, LimitsFile, ReentryFile,
    ZoneFile, check_trigger,
};
pub(crate) use content::{CalendarSpec, Metadata, SegmentSpec, TemplateFile};
pub(crate) use leaf::Cel;
pub(crate) use read::{At, Later, List, Maybe, Named, OneOrMany, Read, given};
pub(crate) use step::{ArmFile, BranchFile, OverdueFile, OverdueWord, StepFile, WaitFile};
pub(crate) use time::UntilFile;

//! The canonical task: what a CRM is asked to show its rep.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cadence::{Cadence, Step, TouchSpec};
use crate::catalog::TemplateSpec;
use crate::contact::Contact;
use crate::enrollment::{Enrollment, EntryEvent, StepRecord};
use crate::id::{TemplateName, TouchId, VariantName, Workspace};
use crate::identity::CrmId;
use crate::template::{FieldPath, RenderError};
use crate::touch::{Channel, Note, Touch};
use crate::world::World;

use super::binding::{View, full_name};

/// The task of a touch. The same world makes the same task: times are told as of its due time.
///
/// # Errors
/// A note when it cannot be rendered: `missing_field` for a field that is absent and has no default, `template` for any
/// other fault of the template, `gone` when the touch or its cadence is not there. The touch then fails, visibly.
pub fn task(world: &World, id: TouchId) -> Result<Value, Note> {
    let subject = Told::of(world, id)
        .ok_or_else(|| Note::new("gone", "the touch or its cadence is not there any more"))?;
    let text = subject.text(world)?;
    Ok(subject.to_json(world, text))
}

/// Everything that a task tells.
struct Told<'a> {
    touch: &'a Touch,
    enrollment: &'a Enrollment,
    contact: &'a Contact,
    cadence: &'a Cadence,
    step: &'a Step,
    spec: &'a TouchSpec,
}

/// What is rendered.
struct Text {
    subject: String,
    body: String,
}

impl<'a> Told<'a> {
    fn of(world: &'a World, id: TouchId) -> Option<Self> {
        let touch = world.touches.get(&id)?;
        let enrollment = world.enrollments.get(&touch.enrollment)?;
        let contact = world.contacts.get(&touch.contact)?;
        let cadence = world.catalog.cadence(&touch.workspace, enrollment.version)?;
        let (_, step) = cadence.step(&touch.step)?;
        Some(Self { touch, enrollment, contact, cadence, step, spec: step.touch()? })
    }

    fn text(&self, world: &World) -> Result<Text, Note> {
        let view = View::of_enrollment(world, self.enrollment.id, self.touch.due_at);
        let plain = self.spec.purpose.clone().unwrap_or_else(|| self.step.id.to_string());
        let mut text = match self.template(world)? {
            Some(template) => render(&view, template, plain)?,
            None => Text { subject: plain, body: String::new() },
        };
        if let Some(earlier) = self.thread_subject(world, &view) {
            text.subject = earlier;
        }
        Ok(text)
    }

    fn template<'w>(&self, world: &'w World) -> Result<Option<&'w TemplateSpec>, Note> {
        let arm = self.touch.variant.as_ref().and_then(|name: &VariantName| self.spec.variants.get(name));
        let name = arm.and_then(|arm| arm.template.as_ref()).or(self.spec.template.as_ref());
        name.map(|name| find(world, &self.touch.workspace, name)).transpose()
    }

    /// The step that it answers, where that one really went out; else a new thread.
    fn earlier(&self) -> Option<&'a StepRecord> {
        self.enrollment.progress.last_sent(self.spec.reply_to.as_ref()?)
    }

    /// `Re:` and the subject of the earlier message.
    fn thread_subject(&self, world: &World, view: &View<'_>) -> Option<String> {
        let earlier = self.earlier()?;
        let (_, step) = self.cadence.step(&earlier.step)?;
        let spec = step.touch()?;
        let arm = self.enrollment.progress.variants.get(&step.id).and_then(|name| spec.variants.get(name));
        let name = arm.and_then(|arm| arm.template.as_ref()).or(spec.template.as_ref());
        let of_template = name
            .and_then(|name| find(world, &self.touch.workspace, name).ok())
            .and_then(|template| template.subject.as_ref()?.render(view).ok());
        let subject =
            of_template.unwrap_or_else(|| spec.purpose.clone().unwrap_or_else(|| step.id.to_string()));
        Some(if subject.starts_with("Re: ") { subject } else { format!("Re: {subject}") })
    }

    fn to_json(&self, world: &World, text: Text) -> Value {
        let account = self.contact.account.and_then(|id| world.accounts.get(&id));
        let crm_id = self.contact.crm_ids.first().map(CrmId::as_str);
        json!({
            "key": self.touch.key,
            "channel": self.touch.channel,
            "subject": text.subject,
            "body": text.body,
            "due_at": second(self.touch.due_at),
            "due_by": self.touch.due_by.map(second),
            "contact": {
                "email": self.contact.email,
                "phone": self.contact.phone,
                "crm_id": crm_id,
                "name": full_name(self.contact),
            },
            "account": { "domain": account.and_then(|account| account.domain.as_ref()) },
            "owner": self.touch.owner,
            "cadence": self.enrollment.cadence,
            "version": self.cadence.number,
            "step": self.touch.step,
            "visit": self.touch.visit,
            "part": self.touch.part,
            "variant": self.touch.variant,
            "enrollment": self.enrollment.uid,
            "workspace": self.touch.workspace,
            "record": { "type": "contact", "id": crm_id },
            "reply_to": self.earlier().map(|earlier| json!({ "key": earlier.key, "message_id": earlier.message_id })),
            "outcomes": outcomes(self.spec),
            "purpose": self.spec.purpose,
            "cta": self.spec.cta,
            "why": why(self.cadence, &self.enrollment.entry, (self.enrollment.entered_at, self.touch.due_at)),
        })
    }
}

fn find<'w>(world: &'w World, workspace: &Workspace, name: &TemplateName) -> Result<&'w TemplateSpec, Note> {
    let content = world.catalog.content(workspace);
    content
        .and_then(|content| content.templates.get(name))
        .map(|template| &**template)
        .ok_or_else(|| Note::new("template", format!("there is no template {name}")))
}

fn render(view: &View<'_>, template: &TemplateSpec, plain: String) -> Result<Text, Note> {
    for field in &template.requires {
        if FieldPath::parse(field).is_none_or(|path| path.value(view).is_none()) {
            return Err(missing(field));
        }
    }
    let subject = template.subject.as_ref().map_or(Ok(plain), |subject| subject.render(view));
    let body = template.text.as_ref().or(template.html.as_ref());
    let body = body.map_or(Ok(String::new()), |body| body.render(view));
    Ok(Text { subject: subject.map_err(note)?, body: body.map_err(note)? })
}

fn missing(field: &str) -> Note {
    Note::new("missing_field", format!("{field} is missing"))
}

fn note(error: RenderError) -> Note {
    match error {
        RenderError::MissingField(field) => missing(&field),
        other => Note::new("template", other.to_string()),
    }
}

/// To the second, as the contract shows times.
fn second(at: Timestamp) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.to_string()
}

/// What the rep may answer: by channel, what the step maps, and what also is an event.
fn outcomes(spec: &TouchSpec) -> Vec<&str> {
    let of_channel: &[&str] = match spec.channel {
        Channel::Call => &["connected", "no_answer", "voicemail", "wrong_number", "busy"],
        _ => &["done"],
    };
    let raising =
        ["meeting_booked", "meeting_held", "not_now", "not_a_fit", "left_company", "do_not_contact"];
    let mut all: Vec<&str> = of_channel.to_vec();
    for outcome in spec.outcomes.keys().map(String::as_str).chain(raising) {
        if !all.contains(&outcome) {
            all.push(outcome);
        }
    }
    all
}

/// Why we reach out: the cadence's reason, what the contact did, and how long before the task is due.
fn why(cadence: &Cadence, entry: &EntryEvent, (entered, due): (Timestamp, Timestamp)) -> String {
    let what = ["form", "name", "asset", "page", "webinar", "event", "list", "title", "url"]
        .iter()
        .find_map(|name| entry.data.text(name))
        .map_or_else(|| entry.kind.to_string(), |what| format!("{} {what}", entry.kind));
    let what = match &entry.actor {
        Some(actor) => format!("{what} by {actor}"),
        None => what,
    };
    let ago = ago(due.duration_since(entered));
    match &cadence.reason {
        Some(reason) => format!("{reason}: {what}, {ago}"),
        None => format!("{what}, {ago}"),
    }
}

fn ago(passed: SignedDuration) -> String {
    let minutes = passed.as_mins();
    match minutes {
        ..1 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

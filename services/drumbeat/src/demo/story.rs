//! The story: five people ask for a demo, and each goes another way.

use std::convert::Infallible;
use std::sync::Arc;

use domain::decision::RefusalRule;
use domain::enrollment::EnrollmentState;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::crm::Crm;
use super::look::Lookout;
use super::print::{Teller, Voice};
use super::senders::{Answer, Senders};
use super::{Missed, ending, print, rep};

/// Someone in the story.
pub(super) struct Person {
    pub(super) first_name: &'static str,
    last_name: &'static str,
    pub(super) email: &'static str,
    phone: &'static str,
    country: &'static str,
}

/// Opens the mail, is called at once, and books a meeting.
pub(super) const ADA: Person = Person {
    first_name: "Ada",
    last_name: "Park",
    email: "ada@northwind.example",
    phone: "+12125550101",
    country: "US",
};
/// Replies.
pub(super) const BEN: Person = Person {
    first_name: "Ben",
    last_name: "Osei",
    email: "ben@contoso.example",
    phone: "+12125550102",
    country: "US",
};
/// Opts out, and asks again later.
pub(super) const CLEO: Person = Person {
    first_name: "Cleo",
    last_name: "Ruiz",
    email: "cleo@fabrikam.example",
    phone: "+14165550103",
    country: "CA",
};
/// Never answers.
pub(super) const DAN: Person = Person {
    first_name: "Dan",
    last_name: "Levi",
    email: "dan@initech.example",
    phone: "+12125550104",
    country: "US",
};
/// Is not whom the cadence is for.
pub(super) const EVA: Person = Person {
    first_name: "Eva",
    last_name: "Kern",
    email: "eva@globex.example",
    phone: "+493055501055",
    country: "DE",
};

impl Person {
    fn form(&self, number: u32) -> Value {
        json!({
            "id": format!("form-{}-{number}", self.first_name),
            "form": "demo-request",
            "email": self.email,
            "phone": self.phone,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "country": self.country,
        })
    }
}

/// What the story plays with.
pub(super) struct Stage {
    pub(super) crm: Arc<Crm>,
    pub(super) senders: Senders,
    pub(super) lookout: Lookout,
    pub(super) teller: Teller,
}

/// Plays the story while the rep works.
///
/// # Errors
/// The first thing that should have happened and did not.
pub(super) async fn play(stage: &Stage) -> Result<(), Missed> {
    tokio::select! {
        told = acts(stage) => told,
        ended = rep::work(&stage.crm, &stage.senders, &stage.teller) => ended.map(|never: Infallible| match never {}),
    }
}

fn act(title: &str) -> Result<(), Missed> {
    print::act(title).map_err(|error| Missed(error.to_string()))
}

async fn acts(stage: &Stage) -> Result<(), Missed> {
    act("Webhooks come in; each is checked, made durable, then answered")?;
    webhooks(stage).await?;
    act("Touches come due in business hours and become tasks (+) in the CRM; a rep works Ada's and Dan's")?;
    tasks(stage).await?;
    act("An open, a reply and an opt-out: what no longer holds is withdrawn (-)")?;
    answers(stage).await?;
    act("Dan never answers: two more tries, then a last mail")?;
    for step in ["follow", "last-call", "last-mail"] {
        stage.lookout.worked(step, DAN.email).await?;
    }
    act("What came of it")?;
    ending::reckon(stage).await
}

impl Stage {
    fn say(&self, voice: Voice, text: &str) -> Result<(), Missed> {
        self.teller
            .at(self.teller.now(), voice, &format!("  {text}"))
            .map_err(|error| Missed(error.to_string()))
    }

    /// Posts a form, and tells of it as of when it was posted.
    async fn form(&self, what: &str, body: &Value, note: &str) -> Result<Answer, Missed> {
        let posted = self.teller.now();
        let answer = self.senders.form(body).await?.accepted()?;
        self.answered(posted, what, &answer, note)?;
        Ok(answer)
    }

    fn answered(&self, posted: Timestamp, what: &str, answer: &Answer, note: &str) -> Result<(), Missed> {
        let text = format!("  {what:<43} {} {note}", answer.status);
        self.teller.at(posted, Voice::Website, &text).map_err(|error| Missed(error.to_string()))
    }

    /// Tells why someone was not let in, once that is recorded.
    async fn refused(&self, person: &Person, rule: RefusalRule) -> Result<(), Missed> {
        let refusal = self.lookout.refusal(person.email, rule).await?;
        self.say(
            Voice::Website,
            &format!("{} is not let in: {rule}, saw {}", person.first_name, refusal.seen),
        )
    }
}

async fn webhooks(stage: &Stage) -> Result<(), Missed> {
    for person in [&ADA, &BEN, &CLEO, &DAN, &EVA] {
        let what = format!("{} {} ({}) asks for a demo", person.first_name, person.last_name, person.country);
        stage.form(&what, &person.form(1), "accepted").await?;
    }
    stage.refused(&EVA, RefusalRule::Audience).await?;

    let first = stage.form("Dan's form is delivered again", &DAN.form(1), "same id, changes nothing").await?;
    let second = stage.form("and again", &DAN.form(1), "same id, changes nothing").await?;
    if first != second {
        return Err(Missed(format!("the same delivery was answered {} and {}", first.body, second.body)));
    }

    let posted = stage.teller.now();
    let forged = stage.senders.forged_form(&BEN.form(2)).await?;
    if forged.status != 401 {
        return Err(Missed(format!("a forged signature was answered {}", forged.status)));
    }
    stage.answered(posted, "someone forges a form of Ben's", &forged, "wrong signature, refused")?;

    stage.form("a form names nobody", &json!({ "id": "nobody", "form": "demo-request" }), "accepted").await?;
    let kept = stage.lookout.quarantined(1).await?;
    stage.say(Voice::Website, &format!("it is kept in quarantine: {}", kept.code))
}

/// The first call and the first mail of the four who entered.
async fn tasks(stage: &Stage) -> Result<(), Missed> {
    for step in ["call-now", "confirm"] {
        for person in [&ADA, &BEN, &CLEO, &DAN] {
            stage.lookout.task(step, person.email).await?;
        }
    }
    stage.lookout.worked("confirm", ADA.email).await.map(drop)
}

/// Everybody but Dan answers, each in another way.
async fn answers(stage: &Stage) -> Result<(), Missed> {
    let mail = stage.lookout.task("confirm", ADA.email).await?;
    let opened = json!({ "email": ADA.email, "task": mail.key });
    stage.say(Voice::Mail, "Ada opens her mail: now is the time to call")?;
    stage.senders.mail("mail-1", "email_opened", opened).await?.accepted()?;

    let reply = json!({ "email": BEN.email, "classification": "positive" });
    stage.say(Voice::Mail, "Ben replies")?;
    stage.senders.mail("mail-2", "replied", reply).await?.accepted()?;
    stage.lookout.enrollment(BEN.email, EnrollmentState::Exited).await?;
    stage.lookout.withdrawn(BEN.email, 2).await?;

    let stop = json!({ "email": CLEO.email, "channel": "all" });
    stage.say(Voice::Mail, "Cleo opts out")?;
    stage.senders.mail("mail-3", "unsubscribed", stop).await?.accepted()?;
    stage.lookout.enrollment(CLEO.email, EnrollmentState::Exited).await?;
    stage.lookout.withdrawn(CLEO.email, 2).await?;

    stage.form("Cleo fills in the form once more", &CLEO.form(2), "accepted").await?;
    stage.refused(&CLEO, RefusalRule::Suppressed).await?;

    stage.lookout.worked("hot-call", ADA.email).await?;
    stage.lookout.enrollment(ADA.email, EnrollmentState::Exited).await.map(drop)
}

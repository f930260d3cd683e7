//! The login call of the SOAP API, which older clients still use.

use crate::wire::{Answer, Call, XML};
use crate::world::World;

/// `POST /services/Soap/u/<version>` with a `login` body.
pub(crate) fn login(world: &World, call: &Call) -> Answer {
    let body = String::from_utf8_lossy(&call.body);
    let credentials = element(&body, "username").zip(element(&body, "password"));
    let Some((username, password)) = credentials.filter(|_| call.method == "POST") else {
        return fault("UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION: only login is supported");
    };
    let Some((org, user)) = world.log_in(&username, &password) else {
        return fault(
            "INVALID_LOGIN",
            "INVALID_LOGIN: Invalid username, password, security token; or user locked out.",
        );
    };
    let version = call.segments().pop().unwrap_or_default();
    let token = world.grants().open_session(org, user, "id api", None, world.clock.now_ms());
    let server = format!("{}/services/Soap/u/{version}/{}", world.instance_url(org), org.short());
    let name = world.read().iter().find(|known| known.id == org).map(|org| org.name.clone()).unwrap_or_default();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><loginResponse><result>\
         <metadataServerUrl>{server}</metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>{server}</serverUrl>\
         <sessionId>{token}</sessionId><userId>{user}</userId><userInfo><organizationId>{org}</organizationId><organizationName>{}</organizationName>\
         <sessionSecondsValid>7200</sessionSecondsValid><userFullName>Sync User</userFullName><userId>{user}</userId><userName>{}</userName>\
         <userType>Standard</userType></userInfo></result></loginResponse></soapenv:Body></soapenv:Envelope>",
        escaped(&name),
        escaped(&username)
    );
    Answer::new(200, XML, body)
}

fn fault(code: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>{code}</faultcode><faultstring>{message}</faultstring><detail><sf:LoginFault xsi:type=\"sf:LoginFault\">\
         <sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    Answer::new(500, XML, body)
}

/// The text of the first element with a local name, whatever its prefix.
fn element(xml: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let (tag, after) = rest.split_once('>')?;
        let tag_name = tag.split_whitespace().next().unwrap_or("");
        if tag_name.rsplit(':').next() == Some(name) && !tag_name.starts_with('/') {
            let (text, _) = after.split_once('<')?;
            return Some(unescaped(text));
        }
        rest = after;
    }
    None
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

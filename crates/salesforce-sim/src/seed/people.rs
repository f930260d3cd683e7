//! People's names from many places.

use super::random::Random;

const FIRST: [&str; 64] = [
    "Aada",
    "Ahmed",
    "Aiko",
    "Alejandro",
    "Amara",
    "Ana",
    "Anders",
    "Anja",
    "Arjun",
    "Astrid",
    "Benjamin",
    "Bogdan",
    "Bruno",
    "Carlos",
    "Chiara",
    "Chloé",
    "Cristina",
    "David",
    "Elena",
    "Emma",
    "Eoin",
    "Fatima",
    "Felix",
    "Gabriela",
    "Giulia",
    "Grace",
    "Hana",
    "Hugo",
    "Ibrahim",
    "Ingrid",
    "Isabella",
    "Ivan",
    "Jan",
    "Jörg",
    "José",
    "Julia",
    "Kaisa",
    "Katarzyna",
    "Kenji",
    "Lars",
    "Leila",
    "Liam",
    "Lucía",
    "Mads",
    "Maria",
    "Mateo",
    "Mei",
    "Mikko",
    "Nadia",
    "Noah",
    "Olivia",
    "Omar",
    "Paulo",
    "Petra",
    "Rahul",
    "Saoirse",
    "Seo-yeon",
    "Søren",
    "Tariq",
    "Thandiwe",
    "Viktor",
    "Wei",
    "Yara",
    "Zoë",
];
const LAST: [&str; 64] = [
    "Abadi",
    "Adeyemi",
    "Andersson",
    "Bauer",
    "Becker",
    "Bianchi",
    "Björk",
    "Brown",
    "Castro",
    "Chen",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fernández",
    "Fischer",
    "Garcia",
    "Gupta",
    "Haddad",
    "Hansen",
    "Heikkinen",
    "Hoffmann",
    "Ito",
    "Ivanova",
    "Jansen",
    "Johansson",
    "Jones",
    "Kaya",
    "Khan",
    "Kim",
    "Kowalska",
    "Kumar",
    "Laine",
    "Larsen",
    "Lopez",
    "MacLeod",
    "Mäkelä",
    "Martin",
    "McCarthy",
    "Meyer",
    "Müller",
    "Nakamura",
    "Nguyen",
    "Novák",
    "O'Brien",
    "Okonkwo",
    "Park",
    "Patel",
    "Pereira",
    "Petrov",
    "Quinn",
    "Rossi",
    "Saarinen",
    "Sato",
    "Schneider",
    "Silva",
    "Singh",
    "Smith",
    "Sørensen",
    "Suzuki",
    "Tran",
    "van Dijk",
    "Virtanen",
    "Wang",
    "Yılmaz",
];

/// A name.
pub(super) struct Person {
    pub(super) first: &'static str,
    pub(super) last: &'static str,
}

impl Person {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self {
            first: random.pick(&FIRST),
            last: random.pick(&LAST),
        }
    }

    pub(super) fn full(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// An address at a domain; some are typed in capitals, some names come twice.
    pub(super) fn email(&self, domain: &str, random: &mut Random) -> String {
        let ascii =
            |text: &str| -> String { text.chars().filter(char::is_ascii_alphabetic).collect() };
        let address = format!("{}.{}@{domain}", ascii(self.first), ascii(self.last)).to_lowercase();
        if random.percent(3) {
            address.to_uppercase()
        } else {
            address
        }
    }
}

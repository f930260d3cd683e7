"""Drives the simulator through simple-salesforce and says what worked, one line a step."""

import csv
import datetime
import io
import os
import tempfile
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceExpiredSession, SalesforceMalformedRequest
from simple_salesforce.exceptions import SalesforceAuthenticationFailed

SIM = urlsplit(os.environ["SIM_URL"])
USERNAME, PASSWORD = os.environ["SIM_USERNAME"], os.environ["SIM_PASSWORD"]
SECURITY_TOKEN = os.environ["SIM_SECURITY_TOKEN"]
CLIENT_ID, CLIENT_SECRET = os.environ["SIM_CLIENT_ID"], os.environ["SIM_CLIENT_SECRET"]


class ToSimulator(HTTPAdapter):
    """The library speaks https to *.salesforce.com only: every such call goes to the simulator."""

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = urlunsplit(("http", SIM.netloc, parts.path, parts.query, ""))
        return super().send(request, **options)


def session():
    made = requests.Session()
    made.mount("https://", ToSimulator())
    return made


def ok(step):
    print("ok", step, flush=True)


# Logins.
sf = Salesforce(username=USERNAME, password=PASSWORD, security_token=SECURITY_TOKEN, version="67.0", session=session())
assert sf.sf_instance == SIM.netloc, sf.sf_instance
try:
    Salesforce(username=USERNAME, password="wrong", security_token="x", session=session())
    raise AssertionError("a wrong password must not log in")
except SalesforceAuthenticationFailed as refused:
    assert refused.code == "INVALID_LOGIN", refused.code
ok("soap login")
by_password = Salesforce(username=USERNAME, password=PASSWORD + SECURITY_TOKEN, consumer_key=CLIENT_ID, consumer_secret=CLIENT_SECRET,
                         version="67.0", session=session())
assert by_password.query("SELECT COUNT() FROM Account")["totalSize"] == 2345
ok("password login")
by_client = Salesforce(consumer_key=CLIENT_ID, consumer_secret=CLIENT_SECRET, domain="oma-robotics.my", version="67.0", session=session())
assert by_client.query("SELECT Name FROM Organization")["records"][0]["Name"] == "Oma Robotics"
ok("client credentials")

# Queries.
first = sf.query("SELECT Id, Name, Owner.Name FROM Account ORDER BY Id")
assert (first["totalSize"], first["done"], len(first["records"])) == (2345, False, 2000)
rest = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
assert (rest["done"], len(rest["records"])) == (True, 345)
assert first["records"][0]["Owner"]["attributes"]["type"] == "User"
ok("query")
everything = sf.query_all("SELECT Id, Name FROM Account", include_deleted=True)
assert len(everything["records"]) == 2345 and len({row["Id"] for row in everything["records"]}) == 2345
ok("query_all")
contacts = list(sf.query_all_iter("SELECT Id, AccountId, Account.Name FROM Contact"))
assert len(contacts) == 3000
ok("query_all_iter")

# Metadata.
account = sf.Account.describe()
fields = {field["name"]: field for field in account["fields"]}
assert len(fields) >= 68 and fields["Customer_Tier__c"]["type"] == "picklist"
assert {"Account", "Contact", "Lead"} <= {entry["name"] for entry in sf.describe()["sobjects"]}
assert "DailyApiRequests" in sf.limits()
assert sf.api_usage["api-usage"].used > 0, sf.api_usage
ok("describe")

# Changes.
made = sf.Account.create({"Name": "Made by Python Oy", "AnnualRevenue": 12.5})["id"]
assert sf.Account.update(made, {"Website": "python.example"}) == 204
assert sf.Account.get(made)["Website"] == "python.example"
gone = sf.Account.create({"Name": "Soon gone"})["id"]
assert sf.Account.delete(gone) == 204
ok("crud")
now = datetime.datetime.now(datetime.timezone.utc)
start, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(minutes=10)
updated = sf.Account.updated(start, end)
assert made in updated["ids"] and gone not in updated["ids"], updated
ok("updated")
deleted = sf.Account.deleted(start, end)
assert [record["id"] for record in deleted["deletedRecords"]] == [gone], deleted
ok("deleted")

# Bulk 2.0.
pages = list(sf.bulk2.Contact.query("SELECT Id, LastName, Account.Name FROM Contact", max_records=1000, wait=0.1))
rows = [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]
assert len(pages) == 3 and len(rows) == 3000, (len(pages), len(rows))
assert {row["Id"] for row in rows} == {row["Id"] for row in contacts}
with tempfile.TemporaryDirectory() as folder:
    files = sf.bulk2.Account.download("SELECT Id, Name FROM Account", path=folder, max_records=2000, wait=0.1)
    assert sum(entry["number_of_records"] for entry in files) == 2346, files
ok("bulk2")

# Refusals arrive as the library's own exceptions.
try:
    sf.query("SELECT Nope FROM Account")
    raise AssertionError("an unknown column must be refused")
except SalesforceMalformedRequest as refused:
    assert refused.content[0]["errorCode"] == "INVALID_FIELD"
stale = Salesforce(session_id="not-a-session", instance=SIM.netloc, version="67.0", session=session())
try:
    stale.query("SELECT Id FROM Account")
    raise AssertionError("a dead session must be refused")
except SalesforceExpiredSession as refused:
    assert refused.content[0]["errorCode"] == "INVALID_SESSION_ID"
ok("errors")

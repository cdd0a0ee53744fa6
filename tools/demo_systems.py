"""The five systems that tools/demo plays: what their applications write, who must be told of it, and what must tell nobody."""

from collections import namedtuple

# rule and key: which notification it is; what happened; who is told (None: nobody, as no number is on file); sql: what the application
# writes, a transaction of its own (None: it came with the event before).
Event = namedtuple("Event", "rule key what target sql")

# variables: for psql. credentials: names of secrets. people: what is there before (:'gateway' is the sandbox's address). quiet: of what comes later nothing may be told.
# sweeps: rules whose messages no trigger finds. keys: the key of a rule's events in terms of a notification, where it is not its
# dedup_key. committed: the rows that the application wrote, as (rules, key, xmin), which know when they were committed.
System = namedtuple("System", "name schema title variables credentials people events quiet sweeps keys committed")

ADMINISTRATOR = "+8801911000099"
GROUPS = {"NOCS-1": "120363000000000001@g.us", "NOCS-2": "120363000000000002@g.us", "DEFAULT": "120363000000000000@g.us"}


def ended(class_id, test_num, kind, status, processed):
    return (f"UPDATE school.test_processing SET status = '{status}', processed = {processed}, changed_at = now()"
            f" WHERE class_id = '{class_id}' AND test_num = {test_num} AND kind = '{kind}';")


def test(class_id, test_num, kind, status, processed, target):
    return Event("test_failed" if status == "Failed" else "test_completed", f"{class_id}/{test_num}/{kind}",
                 f"class {class_id}, test {test_num} ({kind}): {status}", target, ended(class_id, test_num, kind, status, processed))


def reported(meter, late, balance):
    return f"INSERT INTO ami.meter_status VALUES ('{meter}', 'IN_PROGRESS', now() - interval '{late}', {balance});"


def meter(number, nocs, late, balance, target):
    return Event("rc_meters", number, f"meter {number}, {nocs}: for {late}", target, reported(number, f"{late} 5 s", balance))


def scanned(student_id, subject):
    return f"INSERT INTO academy.attendance (student_id, subject) VALUES ({student_id}, '{subject}');"


def paid(student_id, amount):
    return f"INSERT INTO academy.payments (student_id, amount, for_month) VALUES ({student_id}, {amount}, current_date);"


SYSTEMS = [
    System(
        "test_completion", "school", "a test has been processed: the educator is told, by Meta's Cloud API", {"administrator": ADMINISTRATOR}, ["school_token"],
        """
        INSERT INTO school.educators VALUES (1, 'Rahima Khatun', '+880 1711-000001'), (2, 'Anwar Hossain', '+880 1811 000002'),
                                            (3, 'Shirin Akter', NULL), (4, 'Kamal Uddin', '008801911000004');
        INSERT INTO school.classes VALUES ('7A', 1), ('8B', 2), ('9C', 3), ('10D', 4);
        INSERT INTO school.test_processing (class_id, test_num, kind, students)
        VALUES ('7A', 3, 'mcq', 32), ('7A', 3, 'written', 32), ('8B', 1, 'mcq', 28), ('8B', 1, 'written', 28), ('9C', 2, 'mcq', 30),
               ('10D', 5, 'mcq', 41);
        UPDATE school.test_processing SET status = 'Processing', changed_at = now();
        """,
        [
            test("7A", 3, "mcq", "Successful", 32, "+8801711000001"),
            test("8B", 1, "mcq", "Successful", 28, "+8801811000002"),
            test("8B", 1, "written", "Failed", 11, "+8801811000002"),
            test("9C", 2, "mcq", "Successful", 30, None),
            test("7A", 3, "written", "Successful", 31, "+8801711000001"),
            test("10D", 5, "mcq", "Successful", 41, "+8801911000004"),
        ],
        # The same written again.
        ["UPDATE school.test_processing SET status = 'Processing', changed_at = now() WHERE class_id = '7A' AND kind = 'mcq';",
         ended("7A", 3, "mcq", "Successful", 32)],
        [], {},
        """SELECT 'test\\_%', class_id || '/' || test_num || '/' || kind, xmin FROM school.test_processing"""),
    System(
        "rc_meters", "ami", "a meter hangs: the WhatsApp group of its NOCS is told, by wppconnect",
        {"gateway_gap": "50 ms", "supervisor": ADMINISTRATOR}, ["ami_token"],
        """
        INSERT INTO ami.meters VALUES ('12345678', 'NOCS-1', 'CUST123'), ('23456789', 'NOCS-2', 'CUST234'), ('34567890', 'NOCS-7', 'CUST345'),
                                      ('45678901', 'NOCS-1', 'CUST456'), ('56789012', 'NOCS-2', 'CUST567');
        """,
        [
            meter("12345678", "NOCS-1", "2h 30m", 1234.56, GROUPS["NOCS-1"]),
            meter("23456789", "NOCS-2", "26h", -87.5, GROUPS["NOCS-2"]),
            meter("34567890", "NOCS-7", "4h", 560, GROUPS["DEFAULT"]),
            meter("45678901", "NOCS-1", "1h 15m", 2075.25, GROUPS["NOCS-1"]),
        ],
        # A meter that recovers before its hour is over; one that was told of already.
        [reported("56789012", "40 min", 300),
         "UPDATE ami.meter_status SET rc_status = 'CONNECTED' WHERE meter_number = '56789012';",
         "UPDATE ami.meter_status SET rc_triggered_at = rc_triggered_at - interval '1 min' WHERE meter_number = '12345678';"],
        [], {},
        """SELECT 'rc\\_meters', meter_number, xmin FROM ami.meter_status"""),
    System(
        "attendance_payments", "academy", "a card is scanned, a fee is paid: the parent is told, by two numbers on wwebjs-api that take turns",
        {"gateway_gap": "50 ms", "channel": "academy"}, ["academy_key"],
        """
        INSERT INTO academy.students VALUES (1, 'Rohan Sharma', 'Class 10-A', 'Mr Sharma', '+91 98765 43210'),
                                            (2, 'Diya Patel', 'Class 9-B', 'Mrs Patel', '+91 98250-11111'),
                                            (3, 'Kabir Singh', 'Class 10-A', 'Mr Singh', NULL);
        """,
        [
            Event("attendance", "Rohan Sharma, Mathematics", "Rohan Sharma is present: Mathematics", "+919876543210", scanned(1, "Mathematics")),
            Event("attendance", "Diya Patel, Physics", "Diya Patel is present: Physics", "+919825011111", scanned(2, "Physics")),
            Event("attendance", "Kabir Singh, Mathematics", "Kabir Singh is present: Mathematics", None, scanned(3, "Mathematics")),
            Event("payment_received", "Rohan Sharma", "Rohan Sharma's fee is paid", "+919876543210", paid(1, 12500)),
        ],
        [scanned(1, "Mathematics")],  # a second time
        [], {"attendance": "concat(n.payload ->> 'student', ', ', n.payload ->> 'subject')", "payment_received": "n.payload ->> 'student'"},
        """SELECT 'attendance', concat(s.name, ', ', a.subject), a.xmin FROM academy.attendance a JOIN academy.students s USING (student_id)
           WHERE NOT EXISTS (SELECT FROM academy.attendance b WHERE (b.student_id, b.subject) = (a.student_id, a.subject) AND b.attendance_id < a.attendance_id)
           UNION ALL SELECT 'payment\\_received', s.name, p.xmin FROM academy.payments p JOIN academy.students s USING (student_id)"""),
    System(
        "fee_reminders", "fees", "a rule that the office wrote as a row is due: guardians are reminded, by wppconnect",
        {"gateway_gap": "50 ms", "administrator": ADMINISTRATOR}, ["fees_token"],
        """
        INSERT INTO fees.students VALUES (1, 'Ayesha Malik', '7A', 'Mr Malik', '+92 300-1234567'), (2, 'Bilal Ahmed', '7A', 'Ms Ahmed', '+92 301 7654321'),
                                         (3, 'Danish Iqbal', '8B', 'Mr Iqbal', NULL), (4, 'Erum Shah', '8B', 'Mr Shah', '+92 302 1112223');
        INSERT INTO fees.invoices VALUES (1, 1, 15000, current_date - 7, now()), (2, 2, 15000, current_date - 7, now()), (3, 3, 500, current_date - 7, now()),
                                         (4, 4, 9000, current_date - 7, now());
        INSERT INTO fees.payments (invoice_id, amount) VALUES (4, 9000);
        """,
        [
            Event("fee_reminders", "Ayesha Malik", "Ayesha Malik owes Rs 15,000", "+923001234567",
                  "INSERT INTO fees.reminder_rules (name, kind, send_at, template, active_from)"
                  " VALUES ('daily', 'daily', date_trunc('minute', now() AT TIME ZONE 'Asia/Karachi')::time, 'fee_open', '-infinity');"),
            Event("fee_reminders", "Bilal Ahmed", "Bilal Ahmed owes Rs 15,000", "+923017654321", None),
            Event("fee_reminders", "Danish Iqbal", "Danish Iqbal owes Rs 500", None, None),
        ],
        # A rule with nonsense in it stops no other one; who has paid is not reminded.
        ["INSERT INTO fees.reminder_rules (name, kind, weekdays, template) VALUES ('nonsense', 'weekly', '{funday}', 'no_such_template');"],
        ["fee_reminders"], {"fee_reminders": "n.payload ->> 'student'"},
        """SELECT 'fee\\_reminders', s.name, r.xmin FROM fees.students s CROSS JOIN fees.reminder_rules r WHERE r.name = 'daily'"""),
    System(
        "campaigns", "campaigns", "the day after they were enrolled: contacts get day 1's message, each from their user's own account on wwebjs-api",
        {"gateway_gap": "50 ms"}, ["campaigns_key"],
        """
        INSERT INTO campaigns.accounts (account_id, name, opens_at, closes_at) VALUES (1, 'Bright Courses', '00:00', '24:00'), (2, 'Green Gym', '00:00', '24:00');
        SELECT campaigns.connect(1), campaigns.connect(2);
        INSERT INTO campaigns.contacts (contact_id, account_id, name, phone) VALUES
            (1, 1, 'Farah', '+92 303 0000001'), (2, 1, 'Gul', NULL), (3, 1, 'Hina', '+92 303 0000003'), (4, 2, 'Imran', '+92 303 0000004');
        UPDATE campaigns.contacts SET paid_at = now() WHERE name = 'Hina';
        UPDATE campaigns.days SET images = ARRAY[:'gateway' || '/sandbox/sample.png'] WHERE day = 1;
        """,
        [
            Event("campaigns", "Farah", "Farah was enrolled yesterday by Bright Courses", "+923030000001",
                  "INSERT INTO campaigns.enrolments (contact_id, asked_at) SELECT contact_id, now() - interval '1 day' FROM campaigns.contacts;"),
            Event("campaigns", "Gul", "Gul was enrolled yesterday by Bright Courses", None, None),
            Event("campaigns", "Imran", "Imran was enrolled yesterday by Green Gym", "+923030000004", None),
        ],
        ["INSERT INTO campaigns.enrolments (contact_id) SELECT contact_id FROM campaigns.contacts;"],  # "start", pressed twice
        ["campaigns"], {"campaigns": "n.payload ->> 'name'"},
        """SELECT 'campaigns', c.name, e.xmin FROM campaigns.enrolments e JOIN campaigns.contacts c USING (contact_id) WHERE e.asked_at < now() - interval '12 hours'"""),
]

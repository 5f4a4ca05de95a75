"""What the guard refuses, and what it lets pass. The sentences are made up here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askonce.semantic.doubts import Doubt
from askonce.semantic.guard import doubt
from askonce.semantic.rules import Rules
from tests.semantic.conftest import own_rules

ALIKE = 0.9

REFUSED: dict[Doubt, list[tuple[str, str]]] = {
    Doubt.NUMBER: [
        ("Give me three names for a parrot", "Give me five names for a parrot"),
        ("Is a tank of 1,000 litres enough?", "Is a tank of 100 litres enough?"),
        ("Is 1.5 bar too much?", "Is 15 bar too much?"),
        ("What is new in version 3.1?", "What is new in version 3.10?"),
        ("What is two dozen plus one?", "What is three dozen plus one?"),
        ("What is 2k in binary?", "What is 4k in binary?"),
        ("Is -4 a good answer?", "Is 4 a good answer?"),
        ("Who came 2nd in the race?", "Who came 3rd in the race?"),
        ("Is five hundred and six prime?", "Is five hundred and seven prime?"),
        ("Play the song", "Play the song twice"),
    ],
    Doubt.UNIT: [
        ("Is 50 USD a fair price for a parrot?", "Is 50 EUR a fair price for a parrot?"),
        ("How long is a walk of 5 miles?", "How long is a walk of 5 km?"),
        ("What is 15% of the loan?", "What is 15 of the loan?"),
        ("Is £20 enough?", "Is $20 enough?"),
        ("Is 20mg a safe dose of zinc?", "Is 20 g a safe dose of zinc?"),
    ],
    Doubt.DATE: [
        ("Is the shop open on Monday?", "Is the shop open on Thursday?"),
        ("Will it snow in Oslo in March?", "Will it snow in Oslo in April?"),
        ("Wake me at 6am", "Wake me at 6pm"),
        ("Wake me at 06:15", "Wake me at 06:45"),
        ("Is the bakery open today?", "Is the bakery open tomorrow?"),
        ("What happened on 2024-05-01?", "What happened on 2024-01-05?"),
        ("Does the bus run at noon?", "Does the bus run at midnight?"),
        ("Is the pool open at Easter?", "Is the pool open at Christmas?"),
    ],
    Doubt.NEGATION: [
        ("Who can vote?", "Who can't vote?"),
        ("Which mushrooms are edible?", "Which mushrooms are not edible?"),
        ("Can I paint over the primer?", "Can I never paint over the primer?"),
        ("Pancakes with eggs", "Pancakes without eggs"),
        ("How do I lock the gate?", "How do I unlock the gate?"),
        ("Is the seal reversible?", "Is the seal irreversible?"),
        ("What do smokers pay?", "What do non-smokers pay?"),
    ],
    Doubt.ANTONYM: [
        ("How do I enable the siren?", "How do I disable the siren?"),
        ("How do I turn the siren in the hall on?", "How do I turn the siren in the hall off?"),
        ("Sort the scores in ascending order", "Sort the scores in descending order"),
        ("May I shower before the scan?", "May I shower after the scan?"),
        ("What is the best moss for bonsai?", "What is the worst moss for bonsai?"),
        ("Where can I buy an otter?", "Where can I sell an otter?"),
        ("Who is the mayor?", "Who was the mayor?"),
        ("Does he like the soup?", "Does she like the soup?"),
    ],
    Doubt.ALTERNATIVE: [
        ("Why is the red lamp on?", "Why is the green lamp on?"),
        ("Does the basic plan have backups?", "Does the premium plan have backups?"),
        ("Can my dog eat plums?", "Can my cat eat plums?"),
        ("Is the fare for pensioners lower?", "Is the fare for infants lower?"),
        ("How do I boil a parsnip?", "How do I roast a parsnip?"),
    ],
    Doubt.ENTITY: [
        ("How tall is the tower in Pisa?", "How tall is the tower in Toronto?"),
        ("Does the app run under FreeBSD?", "Does the app run under Haiku?"),
        ("Where is form P45?", "Where is form P60?"),
        ("Write to ann@example.com", "Write to bob@example.com"),
        ("Read https://example.com/a for me", "Read https://example.com/b for me"),
        ("Delete report_2023.pdf", "Delete report_2024.pdf"),
        ("Track ZX9982", "Track ZX9928"),
        ("What is new in C++?", "What is new in C#?"),
    ],
    Doubt.PERSON: [
        ("What is my name?", "What is your name?"),
        ("Can I call you?", "Can you call me?"),
        ("Where do you live?", "Where do I live?"),
        ("When were we born?", "When were they born?"),
    ],
    Doubt.SCOPE: [
        ("Show the messages", "Show only the messages"),
        ("Stop my deliveries", "Stop all my deliveries"),
    ],
    Doubt.QUESTION: [
        ("Why did the empire fall?", "When did the empire fall?"),
        ("Where is the exam?", "How long is the exam?"),
        ("Can I appeal?", "How do I appeal?"),
        ("Should I sell the boat?", "Can I sell the boat?"),
        ("What is a deposit?", "How much is a deposit?"),
        ("What time is it?", "What is it?"),
        ("Why is the sky blue?", "The sky is blue"),
    ],
    Doubt.ORDER: [
        ("Convert the sum from euros to yen", "Convert the sum from yen to euros"),
        ("How do I get from Bath to Ely?", "How do I get from Ely to Bath?"),
        ("Is tea healthier than cocoa?", "Is cocoa healthier than tea?"),
        ("Dog bites man", "Man bites dog"),
        ("What do owls eat?", "What eats owls?"),
        ("Do you ship to Malta?", "Do you ship from Malta?"),
        ("Did the wolf bite the hunter?", "Was the wolf bitten by the hunter?"),
    ],
    Doubt.LITERAL: [
        ("How do you say thanks in Welsh?", "How do you say please in Welsh?"),
        ("Translate the sentence: it rains", "Translate the sentence: it pours"),
        ("What is 7 + 2?", "What is 7 - 2?"),
        ("What does a * b give?", "What does a / b give?"),
        ("if (!ready) return", "if (ready) return"),
        ('{"action": "create"}', '{"action": "delete"}'),
        ('Where does "to be" come from?', 'Where does "not to be" come from?'),
        ("The soup was 👍", "The soup was 👎"),
    ],
    Doubt.WORDING: [
        ("Do beavers hibernate?", "Do badgers hibernate?"),
        ("Where do I keep a used stamp?", "Where do I keep a stamp?"),
        ("How do I cook brown lentils?", "How do I cook lentils?"),
        ("How do I make a kite?", "How do I use a kite?"),
        ("Who is the uncle of my uncle?", "Who is my uncle?"),
        ("What is my name?", "What is my age?"),
        ("What is this?", "What is that?"),
        ("What does the trainer earn?", "What does the trainee earn?"),
    ],
    Doubt.LANGUAGE: [
        ("Ist der Laden am Abend offen?", "Ist der Laden am Abend zu?"),
        ("¿Cómo puedo cambiar mi pedido?", "¿Cómo puedo cancelar mi pedido?"),
        ("東京の人口は何人ですか", "大阪の人口は何人ですか"),
        ("Сколько стоит билет", "Сколько стоит квартира"),
    ],
    Doubt.LENGTH: [
        ("the cat sat on the mat. " * 10, "the cat sat on the mat. " * 9 + "the cow sat too."),
        ("lorem " * 400 + "ipsum", "lorem " * 400 + "dolor"),
    ],
}

PASSED = [
    ("Is the pool heated?", "  is the POOL heated  "),
    ("What's the tide today?", "whats the tide today"),
    ("How do I prune a rose?", "Hi there, could you tell me how I prune a rose, please? Thanks!"),
    ("How do I prune a rose?", "um so how do i like prune a a rose"),
    ("How do I cancel my booking?", "How can I cancel my reservation?"),
    ("How do I begin a diary?", "What's the best way to start a diary?"),
    ("How do I turn off the siren?", "How do I disable the siren?"),
    ("How do I turn off the siren?", "How do I turn the siren off?"),
    ("How much does a canoe cost?", "What is the price of a canoe?"),
    ("What time does the fair open?", "When does the fair open?"),
    ("What's 15% of 80?", "What is fifteen percent of 80?"),
    ("Is 2 kg of sand enough?", "Is two kilos of sand enough?"),
    ("Wake me at 2pm", "wake me at 14:00"),
    ("May I swim at 17?", "May I swim at 17 years old?"),
    ("Is the kiosk shut on Sundays?", "Is the kiosk shut on a Sunday?"),
    ("Who wrote Dracula?", "Who is the author of Dracula?"),
    ("Is Python faster than Perl?", "is python quicker than perl?"),
    ("What is the difference between UDP and TCP?", "What's the difference between TCP and UDP?"),
    ("At the harbour, is there a sauna?", "Is there a sauna at the harbour?"),
    ("How do I get from Bath to Ely?", "How do I get to Ely from Bath?"),
    ("Do you ship to the UK?", "Do you ship to Britain?"),
    ("How do I set up two-factor authentication?", "how do i set up 2FA"),
    ("How do I check in for the cruise?", "How do I checkin for the cruise?"),
    ("Which vegetables can I freeze?", "Which vegetabels can I freeze?"),
    ("Can I change my appointment?", "Can I change my apointment?"),
    ("Can I cancel?", "Am I allowed to cancel?"),
]

pairs = pytest.mark.parametrize(
    ("why", "asked", "kept"), [(why, *pair) for why, some in REFUSED.items() for pair in some], ids=str
)
texts = st.text() | st.text(alphabet="aA1 .,-'\"!?%$€£#@/\\()[]{}<>=+*&^~|_:;\n\t\u200d\u0301é漢क٣²½ǅ😀")
PIECES = """
    How do I turn the lights on off up not never two dozen 5 5% $3 £ 1,000 3rd kg March may sat 2pm 2024-05-01 today
    from to by London C++ P60 2fa a.m. my your can't what's please hi say translate is was used left 'x' - + ! ` { ( _a
"""
words = st.lists(st.sampled_from(PIECES.split()), max_size=12).map(" ".join)


def test_every_reason_is_shown_here() -> None:
    assert set(REFUSED) == set(Doubt)


@pairs
def test_the_guard_refuses_another_question(rules: Rules, why: Doubt, asked: str, kept: str) -> None:
    assert doubt(asked, kept, rules, ALIKE) is why


@pairs
def test_which_of_the_two_was_asked_first_does_not_matter(rules: Rules, why: Doubt, asked: str, kept: str) -> None:
    assert doubt(kept, asked, rules, ALIKE) is why


@pytest.mark.parametrize(("asked", "kept"), PASSED)
def test_the_guard_lets_other_words_for_the_same_pass(rules: Rules, asked: str, kept: str) -> None:
    assert doubt(asked, kept, rules, ALIKE) is None
    assert doubt(kept, asked, rules, ALIKE) is None


def test_unknown_words_pass_where_the_sentence_is_rebuilt_and_the_vectors_are_close(rules: Rules) -> None:
    pair = "Can I settle with Zelle?", "Do you accept Zelle?"
    assert doubt(*pair, rules, rules.limits.reworded) is None
    assert doubt(*pair, rules, rules.limits.reworded - 0.01) is Doubt.WORDING


def test_unknown_words_never_pass_in_the_same_sentence(rules: Rules) -> None:
    assert doubt("Is the walrus endangered?", "Is the narwhal endangered?", rules, 0.999) is Doubt.WORDING


def test_a_typographic_apostrophe_is_an_apostrophe(rules: Rules) -> None:
    assert doubt("Who can\u2019t vote?", "Who can't vote?", rules, ALIKE) is None
    assert doubt("Who can\u2019t vote?", "Who can vote?", rules, ALIKE) is Doubt.NEGATION


def test_a_long_text_must_have_the_same_words(rules: Rules) -> None:
    text = "Sum up what follows. " + "The cat sat on the mat. " * 9
    assert doubt(text, text.replace("\n", " ").upper() + "  ", rules, ALIKE) is None
    assert doubt(text, text.replace("mat", "rug", 1), rules, 0.999) is Doubt.LENGTH


def test_code_must_be_the_same(rules: Rules) -> None:
    assert doubt("Why does f(a, b) fail?", "Why  does f(a, b)\nfail?", rules, ALIKE) is None
    assert doubt("Why does f(a, b) fail?", "Why does f(b, a) fail?", rules, 0.999) is Doubt.LITERAL


@given(texts | words, texts | words, st.floats(0, 1))
@settings(max_examples=400, deadline=None)
def test_no_two_texts_make_it_raise_and_their_places_do_not_matter(asked: str, kept: str, similarity: float) -> None:
    rules = own_rules()
    assert doubt(asked, kept, rules, similarity) is doubt(kept, asked, rules, similarity)


@given(texts | words)
@settings(max_examples=100, deadline=None)
def test_a_text_is_never_doubted_beside_itself(text: str) -> None:
    assert doubt(text, text, own_rules(), 1.0) is None
    assert doubt(text, f"  {text}\n", own_rules(), 1.0) is None

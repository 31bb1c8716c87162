"""The duels, in the order of the table: equal steps on both sides, whatever a library's own defaults are."""

from benchmarks.duel import Attacker, Duel
from benchmarks.peers import art, foolbox, torchattacks
from robust.attacks import LpThreat
from robust.attacks.geometry import Norm

N = 1000  # images drawn
N_SLOW = 500  # for attacks of thousands of forwards an image
N_LONG = 50  # for C&W, which takes 9,000 steps


def duels() -> list[Duel]:
    linf, l2, l1 = map(LpThreat.parse, ("linf:0.1", "l2:1", "l1:8"))
    return [*_in_a_ball(linf), *_in_a_ball(l2), _in_l1(l1), *_nearest()]


def _in_a_ball(ball: LpThreat) -> list[Duel]:
    def duel(attack: str, word: str, name: str, n: int = N, **options: object) -> Duel:
        return Duel(attack, ball, word, "torchattacks", torchattacks.attacker(name, ball, **options), n)

    return [
        duel("APGD-CE", "apgd:steps=100", "APGD", steps=100, loss="ce"),
        duel("APGD-DLR", "apgd:steps=100:loss=dlr", "APGD", steps=100, loss="dlr"),
        duel("APGD-T", "apgd:steps=100:loss=dlr:targets=9", "APGDT", steps=100),
        duel("FAB-T", "fab:steps=100:targets=9", "FAB", N_SLOW, steps=100, multi_targeted=True),
        duel("Square", "square:steps=2000", "Square", n_queries=2000),
    ]


def _in_l1(ball: LpThreat) -> Duel:
    return Duel("APGD-CE", ball, "apgd:steps=100", "ART", art.apgd(ball, 100), N)


def _nearest() -> list[Duel]:
    def duel(attack: str, norm: Norm, word: str, theirs: Attacker, n: int = N) -> Duel:
        return Duel(attack, norm, word, "foolbox", theirs, n)

    deepfool, ddn, fmn = "deepfool:steps=50", "ddn:steps=100", "fmn:steps=100"
    cw = foolbox.attacker("L2CarliniWagnerAttack", binary_search_steps=9, steps=1000)
    return [
        duel("DeepFool", "linf", deepfool, foolbox.attacker("LinfDeepFoolAttack", steps=50)),
        duel("DeepFool", "l2", deepfool, foolbox.attacker("L2DeepFoolAttack", steps=50)),
        duel("C&W", "l2", "cw:steps=9000:searches=9", cw, N_LONG),
        duel("DDN", "l2", ddn, foolbox.attacker("DDNAttack", steps=100)),
        duel("FMN", "linf", fmn, foolbox.attacker("LInfFMNAttack", steps=100)),
        duel("FMN", "l2", fmn, foolbox.attacker("L2FMNAttack", steps=100)),
        duel("FMN", "l1", fmn, foolbox.attacker("L1FMNAttack", steps=100)),
    ]

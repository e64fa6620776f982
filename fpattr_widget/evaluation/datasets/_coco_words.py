"""Which words of a caption stand for which of COCO's 80 categories.

Words that mostly mean something else ("glass", "screen", "board", "ski") are
not here; those that sometimes do ("orange", "mouse") are, because a word is
only counted where the image has an instance.
"""


def with_plural(word: str) -> tuple[str, str]:
    """Return a word or expression and its plural, the regular one or "men"."""
    if word.endswith("man") and not word.endswith("human"):
        return word, word[:-2] + "en"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word, word + "es"
    if word.endswith("y") and word[-2:-1] not in (*"aeiou", ""):
        return word, word[:-1] + "ies"
    return word, word + "s"


# Plurals are added to what stands before "|", irregular ones stand after it.
_TABLE = """
person: man, woman, boy, girl, child, kid, baby, toddler, infant, guy, gentleman, lady, adult,
    teenager, teen, player, batter, catcher, umpire, referee, surfer, skier, snowboarder,
    skateboarder, skater, cyclist, bicyclist, biker, rider, motorcyclist, worker, policeman,
    policewoman, police officer, officer, cop, fireman, firefighter, chef, waiter, waitress, bride,
    groom, mother, father, mom, dad, daughter, son, brother, sister, student, teacher, passenger,
    pedestrian, spectator, soldier, farmer, fisherman, businessman, businesswoman, cowboy, skydiver,
    swimmer, jockey, shopper, tourist, athlete, golfer, driver, bus driver,
    truck driver, taxi driver, cab driver, bike rider, bicycle rider, motorcycle rider,
    horse rider, dog walker | people, children
bicycle: bike, tricycle, mountain bike
car: automobile, sedan, suv, hatchback, minivan, van, taxi, cab, taxicab, jeep, limousine, limo,
    convertible, station wagon
motorcycle: motorbike, motor bike, motor cycle, moped, scooter, motor scooter, dirt bike
airplane: plane, aeroplane, jet, airliner, jetliner, jumbo jet, jet plane, biplane, seaplane,
    passenger plane, passenger jet, passenger airplane | aircraft
bus: school bus, minibus, double decker, double decker bus, trolley bus, passenger bus | busses
train: locomotive, tram, streetcar, subway train, passenger train, steam engine
truck: pickup, pickup truck, pick up truck, fire truck, firetruck, fire engine, lorry, dump truck,
    tow truck, semi truck
boat: ship, sailboat, sail boat, motorboat, speedboat, rowboat, row boat, ferry, canoe, kayak,
    yacht, raft, gondola, tugboat, dinghy
traffic light: traffic signal, stoplight, stop light
fire hydrant: hydrant, fireplug
stop sign:
parking meter:
bench: park bench, pew
bird: duck, duckling, goose, gull, seagull, sea gull, pigeon, dove, parrot, parakeet, owl, swan,
    penguin, hawk, eagle, falcon, flamingo, ostrich, pelican, peacock, crow, robin, sparrow,
    hummingbird, heron, stork, vulture, cockatoo | geese
cat: kitten, kitty, tabby
dog: puppy, pup, doggy, doggie, poodle, terrier, bulldog, dachshund, dalmatian, labrador, chihuahua
horse: pony, foal, stallion, mare
sheep: lamb, ewe | sheep
cow: bull, calf, ox, heifer | calves, oxen, cattle
elephant:
bear: polar bear, grizzly bear, black bear, brown bear, bear cub, grizzly
zebra:
giraffe:
backpack: back pack, rucksack, knapsack
umbrella: parasol
handbag: hand bag, purse, pocketbook
tie: necktie, neck tie, bow tie, bowtie
suitcase: suit case, briefcase | luggage, pieces of luggage, piece of luggage
frisbee: frisby
skis: | skis
snowboard: snow board
sports ball: ball, soccer ball, tennis ball, beach ball
kite:
baseball bat: | bat
baseball glove: baseball mitt, catcher's mitt, mitt
skateboard: skate board
surfboard: surf board, boogie board
tennis racket: tennis racquet, racket, racquet
bottle: water bottle, wine bottle, beer bottle
wine glass: wineglass, goblet
cup: mug, coffee cup, coffee mug, teacup, tea cup
fork:
knife: | knives
spoon:
bowl:
banana:
apple:
sandwich: burger, hamburger, cheeseburger, panini
orange: tangerine, clementine
broccoli:
carrot: baby carrot
hot dog: hotdog, chili dog, corn dog
pizza: pizza pie
donut: doughnut
cake: cupcake, cheesecake, birthday cake, wedding cake, carrot cake, chocolate cake
chair: armchair, arm chair, rocking chair, high chair, stool, recliner, lawn chair
couch: sofa, loveseat, love seat, futon
potted plant: plant, houseplant, house plant
bed: bunk bed
dining table: table, dining room table, dinner table, kitchen table
toilet: urinal
tv: television, television set, tv set, tv screen, television screen, monitor, computer monitor
laptop: laptop computer, notebook computer, lap top
mouse: computer mouse | mice
remote: remote control, controller, game controller, wii remote, wiimote
keyboard: computer keyboard
cell phone: cellphone, mobile phone, smartphone, smart phone, phone, cellular phone,
    iphone
microwave: microwave oven
oven: stove, toaster oven, stove top oven, stovetop oven
toaster:
sink: washbasin, wash basin
refrigerator: fridge, freezer
book:
clock: alarm clock
vase:
scissors: pair of scissors, shears | scissors
teddy bear: teddy, teddybear, stuffed bear
hair drier: hair dryer, hairdryer, hairdrier, blow dryer, blow drier
toothbrush: tooth brush
"""

# Longer expressions that hold one of these words and name no instance of its category.
_NOT_MEANT = """
train station, train track, train yard, bus stop, bus station, bike rack, bike lane, bike path,
car seat, truck stop, boat dock, boat house, toilet paper, toilet brush, cat food,
dog food, dog house, dog sled, bird house, bird feeder, bird bath, lady bug, banana bread,
banana split, banana tree, apple pie, apple juice, apple cider, apple sauce, apple tree,
orange juice, orange tree, pizza box, pizza cutter, pizza oven, pizza pan, cake pan, cake stand,
ball field, ball game, table tennis, table cloth, chair lift, book shelf, book case,
book bag, book store, phone booth, phone book, cup holder, knife block, bottle opener, snow man,
kite string, mouse pad, passenger side, passenger seat, record player, cd player, dvd player,
tie dye, rubber duck
"""

_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")


def _listed(words: str) -> list[str]:
    return [" ".join(word.split()) for word in words.split(",") if word.strip()]


def _forms(words: list[str]) -> list[str]:
    return [form for word in words for form in with_plural(word)]


def _parse(table: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for line in table.replace("\n    ", " ").strip().splitlines():
        category, _, words = line.partition(":")
        regular, _, irregular = words.partition("|")
        forms = [*_forms([category, *_listed(regular)]), *_listed(irregular)]
        if category in _ANIMALS:  # a baby elephant is no baby
            forms += [f"{age} {form}" for age in ("baby", "adult", "mother") for form in forms]
        found[category] = tuple(dict.fromkeys(forms))
    return found


#: Category to its words and expressions, lower-case, plurals among them.
WORDS: dict[str, tuple[str, ...]] = _parse(_TABLE)

#: Expressions that hold a category's word and stand for none.
NOT_MEANT: tuple[str, ...] = tuple(_forms(_listed(_NOT_MEANT)))

"""The sentences of the embedded corpus of everyday stories, written for this project.

The notation is that of ``pcfg`` without trees: plain words, since every word gets one and the same
tag when the rules are compiled (``stories``). ``S1`` to ``S5`` are the five sentences. Someone
wants to do something with a thing at a place; gets the thing from somewhere and travels; a mishap;
a remedy; how it ended. All of them are told of one world, so that any two ways to tell a sentence
are interchangeable, and what a middle sentence tells is hinted at on both sides of it: the thing
on the left of ``S2``, where it came from and the way of travelling on the right, and so on.
"""

RULES = r"""
S1:
    4 $NAME $WISH $GOAL $AT .
    3 $TIME , $NAME $WISH $GOAL $AT .
    1 it was $NAME 's dream to $GOAL $AT .
    1 $NAME told everyone that $SHE would $GOAL $AT .
    1 nothing could stop $NAME : $SHE would $GOAL $AT .
S2:
    5 $WHO $GOT and $RODE .
    2 with $OBTAINED under $HER arm , $SHE $RODE .
    2 $WHO $RODE with $OBTAINED .
    2 first $SHE $GOT , then $SHE $RODE .
S3-break:
    2 $JOLT , and $BREAK .
    2 when $JOLT , $BREAK .
    2 $BREAK when $JOLT .
S3-wet:
    2 $SPILL , and $SOAK .
    2 when $SPILL , $SOAK .
    2 $SOAK when $SPILL .
    1 $WATER soaked $THING .
S3-lost:
    2 $WHO left/forgot $THING $SEAT .
    2 $ABSENT , $SHE left/forgot $THING $SEAT .
S3-taken:
    2 $STOP , a $ANIMAL grabbed/snatched $THING and ran $AWAY .
    2 a $ANIMAL grabbed/snatched $THING $STOP .
    1 $STOP , $THING was carried $AWAY by a $ANIMAL .
S3-missing:
    2 $ONWAY , $SHE noticed that $ITSPART was missing/gone .
    2 $WHO saw $ONWAY that $ITSPART was missing/gone .
    1 $ITSPART , $SHE noticed $ONWAY , was missing/gone .
S4-glue:
    2 $WHO glued the $PART back on with great care .
    2 $WHO mended the $PART at home with $SOME glue .
    1 $WHO glued the $PART .
    1 a tube of glue was enough to mend the $PART .
S4-repairer:
    2 $HER $HELPER mended/repaired the $PART the same evening .
    2 $WHO asked $HER $HELPER to mend/repair the $PART .
    1 luckily , $HER $HELPER knew how to mend/repair the $PART .
S4-workshop:
    2 a workshop in town replaced the $PART .
    2 $WHO paid a workshop to replace the $PART .
    1 $WHO brought it to a workshop for a new $PART .
S4-sun:
    2 $WHO laid it on a warm wall in the sun .
    2 $WHO let it dry in the sun for $HOURS .
    1 all morning , it lay drying in the sun .
S4-stove:
    2 $WHO put it next to the stove for $HOURS .
    2 $WHO dried it slowly at a warm stove .
    1 an old man let $HIM dry it at his stove .
S4-towel:
    2 $HER $HELPER dried it with a $SOFT towel .
    2 $WHO ran to $HER $HELPER , who had a $SOFT towel .
    1 $HER $HELPER fetched a towel .
    1 $HER $HELPER rubbed it with a towel for $HOURS .
S4-office:
    2 $WHO called/phoned $COMPANY and described it .
    2 $WHO reported the loss to $COMPANY .
    1 $WHO called/phoned $COMPANY .
    1 $COMPANY wrote down what it looked like .
S4-back:
    2 $WHO ran/hurried back as fast as $SHE could .
    2 at once , $SHE turned round to look for it .
    1 $WHO ran back at once .
    1 without a word , $SHE ran/hurried all the way back .
S4-posters:
    2 $WHO drew posters and hung them all over town .
    2 that evening , $SHE hung/put up posters of it .
    1 $HER $HELPER helped $HIM to put up posters of it .
S4-chase:
    2 $WHO chased the $ANIMAL across the $GROUND .
    2 $WHO ran after the $ANIMAL for $HOURS .
    1 $WHO chased the $ANIMAL .
    1 for $HOURS , the $ANIMAL ran and $NAME followed .
S4-food:
    2 $WHO held out a sandwich to the $ANIMAL .
    2 $WHO offered the $ANIMAL half of $HER lunch .
    1 $WHO gave the $ANIMAL a sandwich .
    1 $HER lunch was the only thing the $ANIMAL liked better .
S4-owner:
    2 $WHO looked for the owner of the $ANIMAL .
    2 $WHO knocked at the door of the $ANIMAL 's owner .
    1 someone told $HIM where the $ANIMAL 's owner lived .
S4-wire:
    2 $WHO made a new $PART out of $SOME wire .
    2 with $SOME wire , $SHE built another $PART .
    1 $WHO bent $SOME wire until it looked like a $PART .
S4-bringer:
    2 $WHO asked $HER $HELPER to bring the $PART .
    2 $HER $HELPER found the $PART and brought it .
    1 $WHO called/phoned $HER $HELPER , who had seen the $PART .
S4-spare:
    2 $WHO bought/found another $PART in a shop nearby .
    2 a shop round the corner sold $HIM another $PART .
    1 $WHO went from shop to shop for another $PART .
S5:
    3 $WORKED , and $SHE $COULD $DO $END .
    2 $WORKED , so $SHE $COULD $DO $END .
    2 $WORKED , and $SHE could $DO .
    1 because $WORKED , $NAME $COULD $DO .
WORKED:
    1 the glue held/dried_fast ; fix=glue
    1 $HER $HELPER did well ; fix=repairer|towel
    1 the bill was small/fair ; fix=workshop
    1 the sun/day was hot ; fix=sun
    1 the fire was hot ; fix=stove
    1 it was found within $HOURS ; fix=office
    1 it was still there ; fix=back
    1 nobody had touched it ; fix=back
    1 a stranger/child had found it ; fix=posters
    1 somebody rang the next morning ; fix=posters
    1 the $ANIMAL got tired ; fix=chase
    1 the $ANIMAL was hungry ; fix=food
    1 the owner was kind/polite ; fix=owner
    1 the wire held/was_strong ; fix=wire
    1 $HER $HELPER came quickly/soon ; fix=bringer
    1 the spare one fitted ; fix=spare
COULD:
    2 could
    1 got to
    1 was able to
END:
    2 after all ; end=good
    1 until dark/sunset ; end=good
    1 with friends ; end=friends
    1 in company ; end=friends
    1 next day ; end=late
    1 days later ; end=late
WHO:
    3 $SHE
    1 $NAME
GOT:
    2 borrowed a $OBJECT from $HER $KIN ; source=borrowed
    1 talked $HER $KIN into lending $HIM a $OBJECT ; source=borrowed
    2 bought a new $OBJECT ; source=bought
    1 spent $HER savings on a $OBJECT ; source=bought
    2 got a $OBJECT from $HER $KIN ; source=gift
    1 was given a $OBJECT by $HER $KIN ; source=gift
    2 built a $OBJECT with $HER $KIN ; source=built
    1 made a $OBJECT with $HER $KIN ; source=built
    2 found $HER $KIN 's old $OBJECT ; source=found
    1 found an old $OBJECT at $HER $KIN 's ; source=found
OBTAINED:
    2 $HER $KIN 's $OBJECT ; source=borrowed
    1 a borrowed $OBJECT ; source=borrowed
    2 a new $OBJECT ; source=bought
    1 a $OBJECT from the shop ; source=bought
    2 a $OBJECT from $HER $KIN ; source=gift
    2 the $OBJECT from $HER $KIN 's shed ; source=built
    1 a home-made $OBJECT ; source=built
    2 the old $OBJECT from the attic ; source=found
    1 $HER $KIN 's old $OBJECT ; source=found
RODE:
    1 took/caught the bus ; by=bus
    1 took/caught the train ; by=train
    1 took/boarded the ferry ; by=ferry
    1 went by bicycle ; by=bicycle
    1 got on $HER bicycle ; by=bicycle
    1 set off on foot ; by=foot
    1 walked there ; by=foot
THING:
    3 it
    3 $THETHING
THETHING:
    2 the $OBJECT
    2 the $SOURCE $OBJECT
    1 $HER $KIN 's $OBJECT ; source=borrowed|gift|found
ITSPART:
    3 its $PART
    2 the $PART of $THETHING
SOURCE:
    1 borrowed ; source=borrowed
    1 new ; source=bought|gift
    1 home-made ; source=built
    1 old/dusty ; source=found
BREAK:
    2 $THING fell and broke its $PART
    2 $ITSPART broke/snapped
    1 $THING lost its $PART
JOLT:
    1 the bus braked hard ; by=bus
    1 the bus hit a bump ; by=bus
    1 the train stopped suddenly ; by=train
    1 the train went round a bend ; by=train
    1 the ferry hit the pier ; by=ferry
    1 a wave shook the ferry ; by=ferry
    1 $HER bicycle hit a stone ; by=bicycle
    1 $SHE fell off the bicycle ; by=bicycle
    1 $SHE tripped over a root ; by=foot
    1 $SHE slipped on the path ; by=foot
SOAK:
    2 $THING got soaked
    2 $THING was wet all over
    1 nothing could keep $THING dry
SPILL:
    1 a child on the bus spilled juice ; by=bus
    1 rain came through the bus window ; by=bus
    1 a passenger on the train spilled tea ; by=train
    1 rain came into the train ; by=train
    1 a wave washed over the ferry ; by=ferry
    1 the ferry rolled in the storm ; by=ferry
    1 $HER bicycle fell into a puddle ; by=bicycle
    1 $SHE rode through a stream ; by=bicycle
    1 a shower caught $HIM on the path ; by=foot
    1 $SHE slipped into a stream ; by=foot
WATER:
    1 a leak in the bus ; by=bus
    1 a leak in the train ; by=train
    1 a big wave ; by=ferry
    1 a puddle under the bicycle ; by=bicycle
    1 a sudden shower ; by=foot
SEAT:
    1 on the bus ; by=bus
    1 under a seat of the bus ; by=bus
    1 on the train ; by=train
    1 in the rack of the train ; by=train
    1 on the ferry ; by=ferry
    1 on the deck of the ferry ; by=ferry
    1 beside the bicycle rack ; by=bicycle
    1 where $SHE had parked the bicycle ; by=bicycle
    1 on a bench by the path ; by=foot
    1 where $SHE had stopped to rest ; by=foot
ABSENT:
    1 in $HER hurry
    1 by mistake
    1 lost in thought
STOP:
    1 at the bus stop ; by=bus
    1 next to the bus ; by=bus
    1 at the train station ; by=train
    1 on the platform ; by=train
    1 at the ferry landing ; by=ferry
    1 on board the ferry ; by=ferry
    1 beside the parked bicycle ; by=bicycle
    1 at the bicycle rack ; by=bicycle
    1 halfway along the path ; by=foot
    1 on the footpath ; by=foot
ONWAY:
    1 on the bus ; by=bus
    1 as the bus left ; by=bus
    1 on the train ; by=train
    1 as the train left ; by=train
    1 on the ferry ; by=ferry
    1 as the ferry left ; by=ferry
    1 getting off the bicycle ; by=bicycle
    1 at the bicycle rack ; by=bicycle
    1 halfway along the path ; by=foot
    1 after an hour 's walk ; by=foot
AWAY:
    1 off/away
COMPANY:
    1 the bus company ; by=bus
    1 the train company ; by=train
    1 the ferry company ; by=ferry
    1 the lost property office ; by=bicycle|foot
HOURS:
    1 an hour
    1 two/three hours
SOME:
    2 some
    1 a little
    1 a bit of
SOFT:
    1 big/soft/thick
GROUND:
    1 field/meadow/street
WISH:
    3 wanted to
    2 planned/hoped to
    1 had promised to
TIME:
    1 on Saturday/Sunday
    1 last summer/spring
    1 one morning/day
    1 in the holidays
SHE:
    1 she ; sex=f
    1 he ; sex=m
HER:
    1 her ; sex=f
    1 his ; sex=m
HIM:
    1 her ; sex=f
    1 him ; sex=m
"""

#: thing; its part; what is done with a thing, and with this one; the places that suit it
OBJECTS = """
kite; frame; fly a kite; fly it; beach hill park field
model plane; wing; fly a model plane; fly it; hill park field fair
guitar; neck; play a guitar; play it; campsite school festival market
violin; bow; play a violin; play it; school festival market fair
drum; rim; play a drum; play it; campsite school festival fair
accordion; strap; play an accordion; play it; harbour festival market fair
flute; mouthpiece; play a flute; play it; school festival park market
camera; lens; take pictures with a camera; take pictures; beach harbour park zoo
telescope; tripod; look through a telescope; look through it; beach hill campsite field
microscope; mirror; show a microscope; show it; school fair museum library
tent; pole; put up a tent; put it up; beach hill campsite field
hammock; hook; hang up a hammock; hang it up; beach park campsite lake
model boat; mast; sail a model boat; sail it; harbour park lake beach
fishing rod; reel; try out a fishing rod; try it out; harbour lake beach campsite
lantern; handle; light a lantern; light it; festival harbour campsite lake
robot; arm; show a robot; show it; school fair museum library
puppet; leg; show a puppet; show it; school fair zoo library
clock; hand; sell a clock; sell it; market fair museum harbour
sledge; runner; ride a sledge; ride it; hill park field school
skateboard; wheel; ride a skateboard; ride it; harbour park school market
"""

#: place -> how one is there
PLACES = {
    "beach": "at the beach", "hill": "on the hill", "park": "in the park",
    "field": "in the field", "campsite": "at the campsite", "school": "at school",
    "festival": "at the festival", "market": "at the market", "fair": "at the fair",
    "harbour": "by the harbour", "lake": "by the lake", "zoo": "at the zoo",
    "museum": "at the museum", "library": "in the library",
}  # fmt: skip

NAMES = {
    "f": """Anna Bella Clara Dina Elsa Fiona Greta Hanna Iris Julia Kira Lena Maya Nora Olive Petra
    Rosa Sara Tessa Vera""",
    "m": """Adam Ben Carl David Emil Felix Gus Hugo Ivan Jonas Karim Leo Max Noah Oscar Paul Ravi
    Sam Tom Victor""",
}
KIN = (
    "uncle", "aunt", "brother", "sister", "cousin", "neighbour", "grandmother", "grandfather",
    "mother", "father",
)  # fmt: skip
ANIMALS = ("dog", "goat", "puppy", "donkey", "fox", "monkey")
SOURCES = ("borrowed", "bought", "gift", "built", "found")
WAYS = ("bus", "train", "ferry", "bicycle", "foot")
ENDS = ("good", "friends", "late")
#: mishap -> what may mend it
FIXES = {
    "break": ("glue", "repairer", "workshop"),
    "wet": ("sun", "stove", "towel"),
    "lost": ("office", "back", "posters"),
    "taken": ("chase", "food", "owner"),
    "missing": ("wire", "bringer", "spare"),
}

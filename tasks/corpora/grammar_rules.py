"""The sentences of the embedded corpus of restaurant descriptions (notation: ``pcfg``).

Written for this project. Labels follow the Penn Treebank as constituency parsers print it; every
text is one tree. Facts that a production tells are marked with ``+`` and ``*``; the world that
they are facts of is drawn in ``grammar``, the words are in ``grammar_lexicon``.
"""

RULES = r"""
TEXT:
    6 (S $OPEN .)
    1.5 (SINV $INVERTED .)
    1 (S (S $OPEN) , CC:and (S $NEXTC) .)
    1 (S (S $OPEN) , CC:but (S $BUT) .)
    7 (S (S $OPEN) . (S $NEXT) .)
    1 (S (SINV $INVERTED) . (S $NEXT) .)
    1.5 (S (S $OPEN) . (S (S $NEXTC) , CC:and (S $NEXTC2) ) .)
    1 (S (S $OPEN) . (S $NEXT) . (S $NEXT) .)
OPEN:
    7 $NAME $VPs
    2 $SUBJECT $VPs
    2.5 $WHERE , $NAME $VPs
    2 (NP EX:There) (VP V=VERB:be $CALLED)
    1.5 (NP EX:There) (VP V=VERB:be $CALLEDLOC)
    1.5 (S (VP VBN:Located/Set/Situated $LOC)) , $NAME $VPs ; +front
    1 (S (VP VBG:Serving $FOOD)) , $NAME (VP V:be $KINDNP)
    1 (S (ADJP JJ:Popular (PP IN:with (NP $CROWD)))) , $NAME $VPs ; rating!=low +crowd
    1 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:want/like $FOODANY))) , $TRY ; rating!=low
    0.7 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:are (PP IN:on (NP DT:a JJ:tight NN:budget))))) \
        , $TRY ; +price price=cheap rating!=low
    0.7 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:have (NP JJ:small/young NNS:children)))) , \
        $TRY ; +family family=yes rating!=low
    1 (SBAR IN=SCONJ:Although (S (NP PRP:it) (VP VBZ:is $CHEAPADJ))) , $NAME $BADVP ; \
        price=cheap rating=low +price +rating
    1 (SBAR IN=SCONJ:Although (S (NP PRP:it) (VP VBZ:is (ADJP JJ:expensive/pricey)))) , $NAME \
        $GOODVP ; price=high rating=high +price +rating
    1 (PP IN:For (NP JJ:good/great $FOODNOUN)) , $TRY ; rating=high +rating
    0.7 (NP (NP CD:One) (PP IN:of (NP DT:the JJS:best/oldest/smallest $KINDNS (PP IN:in (NP \
        NN:town))))) (VP VBZ:is $NAME) ; rating=high +rating *kind
    0.8 (NP $PEOPLE) (VP VBP:love/like/recommend $NAME (PP IN:for (NP PRP$:its $FOODNOUN))) ; \
        rating!=low +crowd
    0.6 (NP PRP:You) (VP MD:can/will (VP VB:find $NAME $LOC))
    0.5 (NP PRP:You) (VP MD:can (VP VB:get/order $FOOD (PP IN:at $NAME)))
TRY:
    3 (VP VB:try/visit $NAME)
    1 (VP VB:go (PP IN:to $NAME))
    2 $NAME (VP V:be (ADJP JJ:worth (NP DT:a NN:visit)))
    2 $NAME (VP V:be (NP DT:a JJ:good/sensible NN:choice))
    2 $NAME (VP MD:should (VP VB:be (NP PRP$:your JJ:first NN:stop)))
INVERTED:
    2 $LOC (VP V=VERB:be) (NP $NAME , $KINDNP)
    2 $LOC (VP V:stand/sit/lie) (NP $NAME , $KINDNP)
    1 (ADVP RB:Just $JUSTNEAR) (VP V=VERB:be) (NP $NAME , $KINDNP)
SUBJECT:
    3 (NP $NAME , $KIND ,)
    2 (NP $NAME , (SBAR (WHNP WDT:which) (S $RELVP)) ,)
    2 (NP (NP DT:The $KINDN) (VP VBN:called $CALLNAME)) ; +kind
    1 (NP (NP DT:The $KINDN) $LOC) ; +kind
RELVP:
    2 (VP VBD:opened (ADVP RB:recently)) ; +history
    2 (VP VBD:opened (PP IN:in (NP NN:spring/summer))) ; +history
    2 (VP V:be (VP VBN:run $BYOWNER)) ; +owner
    3 (VP V:serve $FOOD)
    2 (VP V:be (ADJP $JJONE))
    3 (VP V:be $LOC)
CALLED:
    2 (NP $KIND (VP VBN:called/named $CALLNAME))
    1 (NP (NP $KIND (VP VBN:called/named $CALLNAME)) (SBAR (WHNP WDT:that) (S $VPs)))
CALLEDLOC:
    2 (NP $KIND (VP VBN:called/named $CALLNAME)) $LOC
    1 (NP $KIND (VP VBN:called $CALLNAME (PP IN:with $WITH))) $LOC
CALLNAME:
    1 (S $NAME)
KINDNP:
    4 (NP $KINDIN)
    3 (NP $KIND $LOC)
    3 (NP $KIND (PP IN:with $WITH))
    4 (NP $KIND (SBAR (WHNP WDT:that) (S $VPs)))
    2.5 (NP $KIND (VP VBG:serving/offering $FOOD))
    2 (NP $KIND (VP VBN:run $BYOWNER)) ; +owner
    2 (NP $KIND (SBAR (WHADVP WRB:where) (S $WHERECLAUSE)))
    1 (NP $KIND (PP IN:for (NP $CROWD))) ; +crowd
KIND:
    1 (NP $KINDIN)
KINDIN:
    2 DT:a $KINDN ; +kind
    6 DT:a $ADJ $KINDN ; +kind
    2 DT:a $ADJ , $ADJ2 $KINDN ; +kind
    1 DT:a $ADJ $AGEADJ $KINDN ; +kind
    3 DT:a $CUISINE $KINDN ; +kind +food style=meal
    5 DT:a $ADJ $CUISINE $KINDN ; +kind +food style=meal
    2 DT:a $ADJ , $ADJ2 $CUISINE $KINDN ; +kind +food style=meal
    1 DT:a (ADJP $CHEAPJJ CC:but JJ:good) $KINDN ; +kind +price +rating price=cheap rating=high
    1 DT:a (ADJP $MOODJJ CC:and JJ:popular) $KINDN ; +kind +mood +rating rating=high
    2 DT:a (ADJP NN:family HYPH:- JJ:friendly) $KINDN ; +kind +family family=yes
    1 DT:a $MOODJJ JJ:little $KINDN ; +kind +mood mood!=elegant
ADJ:
    3 $MOODJJ ; +mood
    3 $RATEJJ ; +rating
    2 (ADJP RB:highly VBN:rated/recommended) ; +rating rating=high
    1 (ADJP RB:poorly VBN:rated) ; +rating rating=low
    3 $PRICEADJ ; +price
    1 JJ:new/old/small/large/modern/traditional ; +age
    1 (ADJP NN:family HYPH:- JJ:friendly) ; +family family=yes
ADJ2:
    3 $PRICEADJ ; +price
    2 JJ:modern/traditional/independent ; +age
    1 $MOODJJ ; +mood
AGEADJ:
    1 JJ:little/modern/traditional/local ; +age
CHEAPADJ:
    1 (ADJP $CHEAPJJ)
JJONE:
    1 $MOODJJ ; +mood
    1 $RATEJJ ; +rating
    1 $CHEAPJJ ; +price price=cheap
    1 JJ:expensive/pricey ; +price price=high
NAME:
    1 (NP $NAMEIN) ; *name
LOC:
    5 $AREAPP
    4 $NEARPP
    2 (PP $NEARIN) (PP $AREAIN) ; area!=canal|hill
WHERE:
    4 $AREAPP
    3 $NEARPP
AREAPP:
    1 (PP $AREAIN)
NEARPP:
    1 (PP $NEARIN)
JUSTNEAR:
    2 (PP IN:opposite/behind $LANDMARK) ; +near
    1 (PP (NP DT:a JJ:short NN:walk) IN:from $LANDMARK) ; +near
    1 (PP (NP DT:a JJ:few NNS:minutes) IN:from $LANDMARK) ; +near
NEARIN:
    4 IN:near $LANDMARK ; +near
    2 IN:opposite/behind $LANDMARK ; +near
    1 RB:close (PP IN:to $LANDMARK) ; +near
    1 RB:next (PP IN:to $LANDMARK) ; +near
    1 (NP DT:a JJ:short NN:walk) IN:from $LANDMARK ; +near
    1 (NP DT:a JJ:few NNS:minutes) IN:from $LANDMARK ; +near
FOOD:
    3 (NP $CUISINE $FOODHEAD) ; +food style=meal
    3 (NP JJ:traditional/modern/classic $CUISINE $FOODHEAD) ; +food style=meal
    3 (NP $FOODJJ $CUISINE $FOODHEAD) ; +food +foodjj style=meal
    3 (NP (NP $CUISINE NNS:dishes) (PP JJ:such IN:as (NP $DISH CC:and $DISHB))) ; +food style=meal
    2 (NP $DISH CC:and $DISHB) ; *food +dish
    2 (NP (NP DT:a JJ:wide/good/small NN:choice/selection/range) (PP IN:of (NP $DISHB))) ; *food \
        +dish
    2 (NP (NP $DISH) CC:and (NP (NP DT:a NN:glass) (PP IN:of (NP $DRINK)))) ; *food +dish +drink
    2 (NP $FOODJJ $DISHB) ; *food +dish +foodjj
    2 (NP (NP $CUISINE $FOODHEAD) (PP IN:at (NP $PRICEJJ NNS:prices))) ; +food +price style=meal
    2 (NP (NP $FOODJJ $DISHB) (PP IN:at (NP $PRICEJJ NNS:prices))) ; *food +dish +price +foodjj
FOODANY:
    2 (NP $CUISINE $FOODHEAD) ; +food style=meal
    2 (NP $DISH) ; *food
    1 (NP (NP $DISH) CC:or (NP $DISHB)) ; *food
WITH:
    2 (NP DT:a JJ:small/large/sunny/hidden NN:garden/terrace) ; +garden
    2 (NP JJ:live NN:music) ; +music
    1 (NP (NP DT:a NN:view) (PP IN:of (NP DT:the NN:river))) ; +view area=riverside
    1 (NP (NP DT:a NN:view) (PP IN:over (NP DT:the NN:sea))) ; +view area=seafront|harbour
    1 (NP (NP NNS:views) (PP IN:over (NP DT:the NNS:rooftops))) ; +view area=hill|old_town
    2 (NP JJ:friendly/cheerful/attentive NN:staff) ; +staff rating!=low
    1 (NP JJ:slow/careless NN:service) ; +staff rating=low
    2 (NP $RATENP) ; +rating
    2 (NP $PRICEJJ NNS:prices) ; +price
    1 (NP DT:an JJ:open NN:kitchen/fire) ; +decor
    1 (NP JJ:wooden/long NNS:tables/benches) ; +decor
    1 (NP JJ:bare NN:brick NNS:walls) ; +decor
    1 (NP (NP DT:a NN:playground) (PP IN:for (NP NNS:children))) ; +family family=yes
    1 (NP DT:a NNS:children POS:'s NN:menu) ; +family family=yes
    1 (NP (NP DT:a JJ:long NN:list) (PP IN:of (NP $WINES))) ; +drink style=meal
BYOWNER:
    2 (PP IN:by (NP (NP DT:a NN:family) (PP IN:from (NP $ORIGIN)))) ; *food style=meal
    2 (PP IN:by (NP CD:two NNS:sisters/brothers/friends))
    1 (PP IN:by (NP DT:a JJ:retired/former NN:sailor/teacher))
    1 (PP IN:by (NP DT:a JJ:young NN:couple))
WHERECLAUSE:
    2 (NP NNS:children/families) (VP VBP:are (ADJP JJ:welcome)) ; +family family=yes
    1 (NP NNS:children) (VP VBP:are RB=PART:not (VP VBN:allowed)) ; +family family=no
    1 (NP PRP:you) (VP MD:can (VP VB:sit (PP IN:in (NP DT:the NN:garden)))) ; +garden
    1 (NP PRP:you) (VP MD:can (VP VB:hear (NP JJ:live NN:music))) ; +music
    1 (NP $CROWDNP) (VP VBP:meet (PP IN:after (NP NN:work))) ; +crowd
    1 (NP DT:a NN:meal) (VP $COST) ; +price style=meal
    1 (NP PRP:you) (VP MD:can (VP VB:eat (NP $DISH))) ; *food +dish
VP#:
    6 (VP V:serve/offer $FOOD)
    2 (VP V:serve $FOOD $LOC)
    2 (VP V:serve $FOOD (PP IN:in (NP DT:a $MOODJJ NN:setting/atmosphere))) ; +mood
    2 (VP V:serve $FOOD (PP IN:to (NP $CROWD))) ; +crowd
    3 (VP V:be (VP VBN:located/situated $LOC))
    1 (VP MD:can (VP VB:be (VP VBN:found $LOC)))
    2 (VP V:be $JJPRED)
    3 (VP V:have (NP $RATENP)) ; +rating
    2 (VP V:have $RATESTARS) ; +rating
    3 (VP V:have $WITH)
    1 (VP V:have $WITH CC:and $WITH)
    2 (VP (VP V:serve/offer $FOOD) CC:and (VP $VPX#))
    2 (VP (VP V:have $WITH) CC:and (VP $VPX#))
    1 (VP V:be RB=PART:not (ADJP JJ:suitable (PP IN:for (NP NNS:children/families)))) ; +family \
        family=no
    1 (VP V:do RB=PART:not (VP VB:welcome/admit (NP NNS:children))) ; +family family=no
    1 (VP V:welcome (NP NNS:families/children)) ; +family family=yes
    1 (VP V:be (NP (NP DT:a JJ:good NN:place) (PP IN:for (NP NNS:families/children)))) ; +family \
        family=yes
    2 (VP V:be (VP VBN:known (PP IN:for (NP PRP$:<its|their> $KNOWN)))) ; +known rating!=low
    1 (VP V:have (VP VBN:been (VP VBN:praised (PP IN:for (NP PRP$:<its|their> $KNOWN))))) ; \
        +known rating=high
    1 (VP V:be (VP VBN:run $BYOWNER)) ; +owner
    1 (VP VBD:was (VP VBN:founded $BYOWNER)) ; +owner
    1 (VP V:claim (S (VP TO:to (VP VB:serve (NP (NP DT:the JJS:best $DISHB) (PP IN:in (NP \
        NN:town))))))) ; +claim *food +dish
    1 (VP V:aim (S (VP TO:to (VP VB:offer $FOOD)))) ; +claim
    1 (VP V:attract (NP $CROWD)) ; +crowd
    1 (VP V:be (ADJP JJ:open (PP $HOURS))) ; +hours
    1 (VP V:open/close (ADVP RB:early/late) (PP IN:on (NP $DAY))) ; +hours
    1 (VP V:be (ADJP JJ:worth (NP DT:a NN:visit)) (SBAR IN=SCONJ:if (S (NP PRP:you) (VP VBP:like \
        $FOODANY)))) ; rating!=low
VPX#:
    2 V:be $JJPRED
    2 V:have (NP $RATENP) ; +rating
    1 V:be (ADJP JJ:open (PP $HOURS)) ; +hours
    1 V:welcome (NP NNS:children/families) ; +family family=yes
    1 V:have $WITH
    1 V:be (VP VBN:located $LOC)
    1 V:attract (NP $CROWD) ; +crowd
JJPRED:
    2 (ADJP $MOODJJ) ; +mood
    1 (ADJP RB:usually/always JJ:busy) ; +mood mood=lively
    1 (ADJP RB:very/surprisingly $CHEAPJJ) ; +price price=cheap
    1 (ADJP RB:rather/quite JJ:expensive/pricey) ; +price price=high
    2 (ADJP $CHEAPJJ CC:and $MOODJJ) ; +price +mood price=cheap
    2 (ADJP $CHEAPJJ CC:but JJ:disappointing) ; +price +rating price=cheap rating=low
    2 (ADJP JJ:expensive CC:but JJ:excellent/superb) ; +price +rating price=high rating=high
    1 (ADJP NN:family HYPH:- JJ:friendly) ; +family family=yes
    1 (ADJP RB=PART:not NN:family HYPH:- JJ:friendly) ; +family family=no
    1 (ADJP JJ:popular (PP IN:with (NP $CROWD))) ; +crowd rating!=low
    1 (ADJP JJ:easy (S (VP TO:to (VP VB:find/reach (PP IN:on (NP NN:foot)))))) ; +access
KNOWN:
    2 $DISHB ; *food +dish
    1 NN:food
    1 NN:wine ; style=meal
    1 JJ:warm NN:welcome
    1 JJ:quick/friendly NN:service
BADVP:
    1 (VP VBZ:has (NP DT:a JJ:low NN:customer NN:rating))
    1 (VP VBZ:has (NP JJ:poor/bad NNS:reviews))
GOODVP:
    1 (VP VBZ:has (NP JJ:excellent NNS:reviews))
    1 (VP VBZ:is (ADJP RB:always JJ:full))
    1 (VP VBZ:is (ADJP JJ:worth (NP DT:the NN:money)))
BUT:
    2 (NP PRP:it) (VP VBZ:is (ADJP RB:rather/quite JJ:expensive/pricey)) ; +price price=high \
        rating!=low
    2 (NP PRP:it) (VP VBZ:has (NP $RATENP)) ; +rating rating=low
    1 (NP DT:the NN:service) (VP VBZ:is (ADJP JJ:slow)) ; +staff
    1 (NP PRP:it) (VP VBZ:is RB=PART:not (ADJP NN:family HYPH:- JJ:friendly)) ; +family family=no
    1 (NP NNS:children) (VP VBP:are RB=PART:not (VP VBN:allowed)) ; +family family=no
    1 (NP DT:the NNS:tables) (VP VBP:are (ADJP JJ:small)) ; +decor
    1 (NP PRP:you) (VP VBP:need (S (VP TO:to (VP VB:book (ADVP RB:early))))) ; +booking rating=high
NEXT:
    5 (NP PRP:It) $VPs
    2 (NP PRP:They) $VPp
    1.5 (NP DT:The NN:place/venue) $VPs
    2 (NP DT:The $KINDN) $VPs ; *kind
    4 $NEXTC
    1 (PP IN:In (NP NN:summer)) , (NP NNS:guests) (VP MD:can (VP VB:eat (PP IN:in (NP DT:the \
        NN:garden)))) ; +garden
    1 (PP IN:On (NP $DAY)) , (NP EX:there) (VP V=VERB:be (NP JJ:live NN:music)) ; +music
    1 (NP EX:There) (VP V=VERB:be (NP (NP DT:a $FOODPLACE) (SBAR (WHADVP WRB:where) (S (NP \
        NNS:children) (VP MD:can (VP VB:play)))))) ; +family +garden family=yes
    1 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:come (PP IN:on (NP $DAY))))) , (NP PRP:you) (VP \
        MD:should (VP VB:book (NP DT:a NN:table))) ; +booking rating!=low
    1 (SBAR (WHADVP WRB:When) (S (NP DT:the NN:weather) (VP VBZ:is (ADJP JJ:good/warm)))) , (NP \
        NNS:guests) (VP VBP:sit (ADVP RB:outside)) ; +garden
    1 (SBAR IN=SCONJ:Because (S (NP PRP:it) (VP VBZ:is (ADJP RB:so JJ:popular)))) , (NP PRP:you) \
        (VP MD:should (VP VB:book (ADVP RB:early))) ; +booking rating=high *rating
NEXTC:
    2 (NP DT:the NN:food) (VP VBZ:is (ADJP $FOODRATE)) ; +rating
    1 (NP PRP$:its NN:food) (VP VBZ:is (ADJP RB:always $FOODRATE)) ; +rating
    2 (NP DT:the NNS:prices) (VP VBP:are (ADJP $PRICEJJ)) ; +price
    2 (NP NNS:prices) (VP VBP:are (ADJP RB:fairly/rather $PRICEJJ)) ; +price
    2 (NP DT:a NN:meal) (VP $COST) ; +price style=meal
    1 (NP (NP DT:a NN:slice) (PP IN:of (NP NN:cake))) (VP $CAKECOST) ; +price style=sweet
    2 (NP NNS:customers) (VP VBP:give (NP PRP:it) $RATESTARS) ; +rating
    2 (NP PRP$:its NN:customer NN:rating) (VP VBZ:is (ADJP $RATELEVEL)) ; +rating
    1 (NP DT:the NNS:reviews) (VP VBP:are (ADJP $REVIEWLEVEL)) ; +rating
    2 (NP NNS:children) (VP VBP:are (ADJP JJ:welcome)) ; +family family=yes
    1 (NP (NP NNS:families) (PP IN:with (NP JJ:young NNS:children))) (VP VBP:are (ADJP \
        JJ:welcome)) ; +family family=yes
    2 (NP NNS:children) (VP VBP:are RB=PART:not (VP VBN:admitted)) ; +family family=no
    1 (NP PRP:it) (VP VBZ:is (ADJP JJ:best (PP IN:for (NP NNS:adults)))) ; +family family=no
    1 (NP DT:the NN:staff) (VP VBP:are (ADJP $STAFFJJ)) ; +staff
    1 (NP DT:the NNS:waiters) (VP VBP:are (ADJP RB:always/usually $STAFFJJ)) ; +staff
    1 (NP DT:the NN:chef) (VP VBD:trained (PP IN:in (NP $ORIGIN))) ; +chef style=meal *food
    1 (NP (NP DT:the NN:owner) , (NP DT:a JJ:retired/former NN:sailor/teacher) ,) (VP VBZ:greets \
        (NP JJ:every NN:guest)) ; +owner
    1 (NP DT:the NN:chef) (VP VBZ:buys (NP NNS:vegetables) (PP IN:from (NP JJ:local \
        NNS:farmers))) ; +chef style=meal
    1 (NP DT:the NN:menu) (VP VBZ:changes (NP DT:every NN:week/month)) ; +menu
    1 (NP PRP:you) (VP MD:can (VP VB:find (NP PRP:it) $LOC))
    1 (NP (NP DT:the NN:bread) (SBAR (WHNP WDT:that) (S (NP PRP:they) (VP VBP:bake)))) (VP \
        VBZ:is (ADJP JJ:excellent)) ; +bread rating=high
    1 (NP PRP:it) (VP VBZ:opens (ADVP RB:early/late)) ; +hours
NEXTC2:
    1 $NEXTC
"""

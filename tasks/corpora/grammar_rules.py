"""The productions of the embedded corpus of restaurant descriptions (notation: ``pcfg``).

Written for this project. Labels follow the Penn Treebank as constituency parsers print it; every
text is one tree. Facts that a production tells are marked with ``+`` and ``*``; the world that
they are facts of is drawn in ``grammar``.
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
    1 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:want/fancy/like $FOODANY))) , $TRY ; rating!=low
    0.7 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:are (PP IN:on (NP DT:a JJ:tight NN:budget))))) , $TRY ; +price price=cheap rating!=low
    0.7 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:have (NP JJ:small/young NNS:children)))) , $TRY ; +family family=yes rating!=low
    1 (SBAR IN=SCONJ:Although (S (NP PRP:it) (VP VBZ:is $CHEAPADJ))) , $NAME $BADVP ; price=cheap rating=low +price +rating
    1 (SBAR IN=SCONJ:Although (S (NP PRP:it) (VP VBZ:is (ADJP JJ:expensive/pricey)))) , $NAME $GOODVP ; price=high rating=high +price +rating
    1 (PP IN:For (NP JJ:good/great $FOODNOUN)) , $TRY ; rating=high +rating
    0.7 (NP (NP CD:One) (PP IN:of (NP DT:the JJS:best/oldest/smallest $KINDNS (PP IN:in (NP NN:town))))) (VP VBZ:is $NAME) ; rating=high +rating *kind
    0.8 (NP $PEOPLE) (VP VBP:love/like/recommend $NAME (PP IN:for (NP PRP$:its $FOODNOUN))) ; rating!=low +crowd
    0.6 (NP PRP:You) (VP MD:can/will VB:find $NAME $LOC)
    0.5 (NP PRP:You) (VP MD:can VB:get/order $FOOD (PP IN:at $NAME))

TRY:
    3 (VP VB:try/visit $NAME)
    1 (VP VB:go (PP IN:to $NAME))
    2 $NAME (VP V:be (ADJP JJ:worth (NP DT:a NN:visit)))
    2 $NAME (VP V:be (NP DT:a JJ:good/sensible NN:choice))
    2 $NAME (VP MD:should VB:be (NP (NP PRP$:your JJ:first NN:stop)))

INVERTED:
    2 $LOC (VP V=VERB:be) (NP $NAME , $KINDNP)
    2 $LOC (VP V:stand/sit/lie) (NP $NAME , $KINDNP)
    1 (ADVP RB:Just $NEARPP) (VP V=VERB:be) (NP $NAME , $KINDNP)

SUBJECT:
    3 (NP $NAME , $KIND ,)
    2 (NP $NAME , (SBAR (WHNP WDT:which) (S $RELVP)) ,)
    2 (NP (NP DT:The $KINDN) (VP VBN:called $CALLNAME)) ; +kind
    1 (NP (NP DT:The $KINDN) $LOC) ; +kind

RELVP:
    2 (VP VBD:opened (ADVP RB:recently)) ; +history
    2 (VP VBD:opened (PP IN:in (NP NN:spring/summer/autumn/winter))) ; +history
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
    1 DT:a (ADJP $MOODJJ CC:and $RATEJJ) $KINDN ; +kind +mood +rating rating=high
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

MOODJJ:
    1 JJ:quiet/peaceful/calm/relaxed ; mood=quiet
    1 JJ:lively/busy/bustling/cheerful ; mood=lively
    1 JJ:elegant/stylish/smart/formal ; mood=elegant
    1 JJ:rustic/cosy/homely/charming ; mood=rustic
RATEJJ:
    1 JJ:excellent/popular/outstanding/superb ; rating=high
    1 JJ:decent/ordinary/reasonable ; rating=average
    1 JJ:disappointing/mediocre/unpopular ; rating=low
CHEAPJJ:
    1 JJ:cheap/inexpensive/affordable
PRICEADJ:
    1 $CHEAPJJ ; price=cheap
    1 (ADJP RB:reasonably VBN:priced) ; price=cheap|moderate
    1 (ADJP RB:moderately VBN:priced) ; price=moderate
    2 (ADJP JJ:mid HYPH:- VBN:priced) ; price=moderate
    3 JJ:expensive/upmarket/pricey ; price=high
CHEAPADJ:
    1 (ADJP $CHEAPJJ)

JJONE:
    1 $MOODJJ ; +mood
    1 $RATEJJ ; +rating
    1 $CHEAPJJ ; +price price=cheap
    1 JJ:expensive/pricey ; +price price=high

KINDN:
    1 NN:pub/tavern ; kind=pub
    1 NN:restaurant/eatery ; kind=restaurant
    1 NN:bistro ; kind=bistro
    1 NN:diner ; kind=diner
    1 NN:wine_bar ; kind=wine_bar
    1 NN:brasserie ; kind=brasserie
    1 NN:coffee_shop ; kind=coffee_shop
    1 NN:tea_room ; kind=tea_room
    1 NN:bakery ; kind=bakery
    1 NN:café ; kind=café
KINDNS:
    1 NNS:pubs ; kind=pub
    1 NNS:restaurants ; kind=restaurant
    1 NNS:bistros ; kind=bistro
    1 NNS:diners ; kind=diner
    1 NNS:brasseries ; kind=brasserie
    1 NNS:bakeries ; kind=bakery
    1 NNS:cafés ; kind=café
    1 NNS:places ; kind=wine_bar|coffee_shop|tea_room

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
AREAIN:
    2 IN:by/beside (NP DT:the NN:river) ; +area area=riverside
    1 IN:on (NP DT:the NN:riverside) ; +area area=riverside
    1 IN:on (NP (NP DT:the NN:bank) (PP IN:of (NP DT:the NN:river))) ; +area area=riverside
    2 IN:in (NP DT:the NN:city NN:centre) ; +area area=city_centre
    1 IN:in (NP (NP DT:the NN:heart/centre) (PP IN:of (NP DT:the NN:city))) ; +area area=city_centre
    2 IN:at/by (NP DT:the NN:harbour) ; +area area=harbour
    1 IN:on (NP DT:the JJ:busy NN:harbour NN:front) ; +area area=harbour
    2 IN:in (NP DT:the JJ:old NN:town) ; +area area=old_town
    1 IN:in (NP (NP DT:a JJ:narrow/cobbled NN:street) (PP IN:in (NP DT:the JJ:old NN:town))) ; +area area=old_town
    2 IN:in (NP DT:the NNS:suburbs) ; +area area=suburbs
    1 IN:on (NP (NP DT:the NN:edge) (PP IN:of (NP DT:the NN:city))) ; +area area=suburbs
    1 IN:in (NP DT:a JJ:leafy NN:suburb) ; +area area=suburbs
    2 IN:on (NP DT:the NN:market NN:square) ; +area area=market_square
    1 IN:in (NP (NP DT:a NN:corner) (PP IN:of (NP DT:the NN:market NN:square))) ; +area area=market_square
    2 IN:in (NP DT:the NN:student NN:quarter) ; +area area=student_quarter
    2 IN:on (NP DT:the NN:seafront) ; +area area=seafront
    1 IN:along (NP DT:the NN:beach) ; +area area=seafront
    1 IN:on (NP (NP DT:a NN:hill) (PP IN:above (NP DT:the NN:city))) ; +area area=hill
    1 IN:beside (NP DT:the NN:canal) ; +area area=canal
    1 IN:in (NP (NP DT:an JJ:old NN:warehouse) (PP IN:by (NP DT:the NN:canal))) ; +area area=canal
NEARPP:
    1 (PP $NEARIN)
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
    2 (NP (NP DT:a JJ:wide/good/small NN:choice/selection/range) (PP IN:of (NP $DISHB))) ; *food +dish
    2 (NP (NP $DISH) CC:and (NP (NP DT:a NN:glass) (PP IN:of (NP $DRINK)))) ; *food +dish +drink
    2 (NP $FOODJJ $DISHB) ; *food +dish +foodjj
    2 (NP (NP $CUISINE $FOODHEAD) (PP IN:at (NP $PRICEJJ NNS:prices))) ; +food +price style=meal
    2 (NP (NP $FOODJJ $DISHB) (PP IN:at (NP $PRICEJJ NNS:prices))) ; *food +dish +price +foodjj
FOODANY:
    2 (NP $CUISINE $FOODHEAD) ; +food style=meal
    2 (NP $DISH) ; *food
    1 (NP (NP $DISH) CC:or (NP $DISHB)) ; *food
FOODHEAD:
    3 NN:food
    2 NN:cooking/cuisine
    2 NNS:dishes
FOODNOUN:
    2 NN:food/cooking ; style=meal
    1 (ADJP NN:home HYPH:- VBN:made) NN:food ; style=meal
    1 NN:coffee/cake ; style=sweet
FOODJJ:
    2 JJ:fresh/simple
    1 JJ:hearty/rich ; style=meal
    1 JJ:delicious/tasty/wonderful ; rating=high
    1 JJ:plain/basic ; rating=average
    1 JJ:dull/bland ; rating=low
PRICEJJ:
    2 JJ:low/modest ; price=cheap
    2 JJ:reasonable/moderate/fair ; price=moderate
    2 JJ:high/steep ; price=high
DRINK:
    1 JJ:local/cold NN:beer ; style=meal
    1 JJ:red/white NN:wine ; style=meal
    1 JJ:sweet/spiced/hot NN:tea ; style=sweet
    1 JJ:fresh NN:juice
WITH:
    2 (NP DT:a JJ:small/large/shady/sunny/hidden NN:garden/terrace/courtyard) ; +garden
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
WINES:
    2 NNS:wines
    1 NNS:beers
RATENP:
    1 DT:a JJ:high NN:customer NN:rating ; rating=high
    1 JJ:excellent/glowing NNS:reviews ; rating=high
    1 DT:an JJ:average NN:customer NN:rating ; rating=average
    1 JJ:mixed/average NNS:reviews ; rating=average
    1 DT:a JJ:low/poor NN:customer NN:rating ; rating=low
    1 JJ:bad/poor NNS:reviews ; rating=low
RATESTARS:
    1 (NP (NP DT:a NN:rating) (PP IN:of (NP CD:five NNS:stars))) ; rating=high
    1 (NP (NP DT:a NN:rating) (PP IN:of (NP CD:three NNS:stars))) ; rating=average
    1 (NP (NP DT:a NN:rating) (PP IN:of (NP CD:one NN:star))) ; rating=low
    1 (NP (NP CD:five NNS:stars) (PP IN:out_of (NP CD:five))) ; rating=high
    1 (NP (NP CD:three NNS:stars) (PP IN:out_of (NP CD:five))) ; rating=average
    1 (NP (NP CD:one NN:star) (PP IN:out_of (NP CD:five))) ; rating=low

BYOWNER:
    2 (PP IN:by (NP (NP DT:a NN:family) (PP IN:from (NP $ORIGIN)))) ; *food style=meal
    2 (PP IN:by (NP CD:two NNS:sisters/brothers/friends/cousins))
    1 (PP IN:by (NP DT:a JJ:retired/former NN:sailor/teacher/dancer/chemist))
    1 (PP IN:by (NP DT:a JJ:young NN:couple))
CROWD:
    2 NNS:students/tourists/locals/office_workers
    1 NNS:families ; family=yes
PEOPLE:
    2 NNS:locals/visitors/students/tourists
    1 JJ:many NNS:people/visitors/diners
    1 NNS:families ; family=yes
WHERECLAUSE:
    2 (NP NNS:children/families) (VP VBP:are (ADJP JJ:welcome)) ; +family family=yes
    1 (NP NNS:children) (VP VBP:are RB=PART:not (VP VBN:allowed)) ; +family family=no
    1 (NP PRP:you) (VP MD:can VB:sit (PP IN:in (NP DT:the NN:garden))) ; +garden
    1 (NP PRP:you) (VP MD:can VB:hear (NP JJ:live NN:music)) ; +music
    1 (NP $CROWDNP) (VP VBP:meet (PP IN:after (NP NN:work))) ; +crowd
    1 (NP DT:a NN:meal) (VP $COST) ; +price style=meal
    1 (NP PRP:you) (VP MD:can VB:eat (NP $DISH)) ; *food +dish
CROWDNP:
    1 NNS:friends/neighbours/colleagues
COST:
    1 VBZ:costs (NP (QP JJR:less IN:than CD:ten/twelve) NNS:pounds) ; price=cheap
    1 VBZ:costs (NP (QP RB:about CD:twenty/fifteen) NNS:pounds) ; price=moderate
    1 VBZ:costs (NP (QP JJR:more IN:than CD:thirty/forty) NNS:pounds) ; price=high

VP#:
    6 (VP V:serve/offer $FOOD)
    2 (VP V:serve $FOOD $LOC)
    2 (VP V:serve $FOOD (PP IN:in (NP DT:a $MOODJJ NN:setting/atmosphere))) ; +mood
    2 (VP V:serve $FOOD (PP IN:to (NP $CROWD))) ; +crowd
    3 (VP V:be (VP VBN:located/situated $LOC))
    1 (VP MD:can VB:be (VP VBN:found $LOC))
    2 (VP V:be $JJPRED)
    3 (VP V:have (NP $RATENP)) ; +rating
    2 (VP V:have $RATESTARS) ; +rating
    3 (VP V:have $WITH)
    1 (VP V:have $WITH CC:and $WITH)
    2 (VP (VP V:serve/offer $FOOD) CC:and (VP $VPX#))
    2 (VP (VP V:have $WITH) CC:and (VP $VPX#))
    1 (VP V:be RB=PART:not (ADJP JJ:suitable (PP IN:for (NP NNS:children/families)))) ; +family family=no
    1 (VP V:do RB=PART:not (VP VB:welcome/admit (NP NNS:children))) ; +family family=no
    1 (VP V:welcome (NP NNS:families/children)) ; +family family=yes
    1 (VP V:be (NP (NP DT:a JJ:good NN:place) (PP IN:for (NP NNS:families/children)))) ; +family family=yes
    2 (VP V:be (VP VBN:known (PP IN:for (NP PRP$:<its|their> $KNOWN)))) ; +known rating!=low
    1 (VP V:have (VP VBN:been (VP VBN:praised (PP IN:for (NP PRP$:<its|their> $KNOWN))))) ; +known rating=high
    1 (VP V:be (VP VBN:run $BYOWNER)) ; +owner
    1 (VP VBD:was (VP VBN:founded $BYOWNER)) ; +owner
    1 (VP V:claim (S (VP TO:to (VP VB:serve (NP (NP DT:the JJS:best $DISHB) (PP IN:in (NP NN:town))))))) ; +claim *food +dish
    1 (VP V:aim (S (VP TO:to (VP VB:offer $FOOD)))) ; +claim
    1 (VP V:attract (NP $CROWD)) ; +crowd
    1 (VP V:be (ADJP JJ:open (PP $HOURS))) ; +hours
    1 (VP V:open/close (ADVP RB:early/late) (PP IN:on (NP $DAY))) ; +hours
    1 (VP V:be (ADJP JJ:worth (NP DT:a NN:visit)) (SBAR IN=SCONJ:if (S (NP PRP:you) (VP VBP:like $FOODANY)))) ; rating!=low
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
HOURS:
    1 IN:until (NP NN:midnight)
    1 IN:for (NP NN:breakfast/lunch/dinner)
    1 IN:from (NP NN:breakfast) (PP IN:to (NP NN:dinner))
    1 IN:on (NP $DAY)
DAY:
    1 NNPS:Sundays/Mondays/Fridays
    1 NNS:weekdays
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
    2 (NP PRP:it) (VP VBZ:is (ADJP RB:rather/quite JJ:expensive/pricey)) ; +price price=high rating!=low
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
    1 (PP IN:In (NP NN:summer)) , (NP NNS:guests) (VP MD:can VB:eat (PP IN:in (NP DT:the NN:garden))) ; +garden
    1 (PP IN:On (NP $DAY)) , (NP EX:there) (VP V=VERB:be (NP JJ:live NN:music)) ; +music
    1 (NP EX:There) (VP V=VERB:be (NP (NP DT:a $FOODPLACE) (SBAR (WHADVP WRB:where) (S (NP NNS:children) (VP MD:can VB:play))))) ; +family +garden family=yes
    1 (SBAR IN=SCONJ:If (S (NP PRP:you) (VP VBP:come (PP IN:on (NP $DAY))))) , (NP PRP:you) (VP MD:should VB:book (NP DT:a NN:table)) ; +booking rating!=low
    1 (SBAR (WHADVP WRB:When) (S (NP DT:the NN:weather) (VP VBZ:is (ADJP JJ:good/warm)))) , (NP NNS:guests) (VP VBP:sit (ADVP RB:outside)) ; +garden
    1 (SBAR IN=SCONJ:Because (S (NP PRP:it) (VP VBZ:is (ADJP RB:so JJ:popular)))) , (NP PRP:you) (VP MD:should VB:book (ADVP RB:early)) ; +booking rating=high *rating
FOODPLACE:
    1 NN:garden/yard/courtyard
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
    1 (NP (NP NNS:families) (PP IN:with (NP JJ:young NNS:children))) (VP VBP:are (ADJP JJ:welcome)) ; +family family=yes
    2 (NP NNS:children) (VP VBP:are RB=PART:not (VP VBN:admitted)) ; +family family=no
    1 (NP PRP:it) (VP VBZ:is (ADJP JJ:best (PP IN:for (NP NNS:adults)))) ; +family family=no
    1 (NP DT:the NN:staff) (VP VBP:are (ADJP $STAFFJJ)) ; +staff
    1 (NP DT:the NNS:waiters) (VP VBP:are (ADJP RB:always/usually $STAFFJJ)) ; +staff
    1 (NP DT:the NN:chef) (VP VBD:trained (PP IN:in (NP $ORIGIN))) ; +chef style=meal *food
    1 (NP (NP DT:the NN:owner) , (NP DT:a JJ:retired/former NN:sailor/teacher/dancer) ,) (VP VBZ:greets (NP JJ:every NN:guest)) ; +owner
    1 (NP DT:the NN:chef) (VP VBZ:buys (NP NNS:vegetables) (PP IN:from (NP JJ:local NNS:farmers))) ; +chef style=meal
    1 (NP DT:the NN:menu) (VP VBZ:changes (NP DT:every NN:week/month/season)) ; +menu
    1 (NP PRP:you) (VP MD:can VB:find (NP PRP:it) $LOC)
    1 (NP (NP DT:the NN:bread) (SBAR (WHNP WDT:that) (S (NP PRP:they) (VP VBP:bake)))) (VP VBZ:is (ADJP JJ:excellent)) ; +bread rating=high
    1 (NP PRP:it) (VP VBZ:opens (ADVP RB:early/late)) ; +hours
NEXTC2:
    1 $NEXTC
FOODRATE:
    1 JJ:excellent/delicious/superb ; rating=high
    1 JJ:decent/ordinary ; rating=average
    1 JJ:disappointing/bland/poor ; rating=low
RATELEVEL:
    1 JJ:high/excellent ; rating=high
    1 JJ:average ; rating=average
    1 JJ:low/poor ; rating=low
REVIEWLEVEL:
    1 JJ:excellent/glowing ; rating=high
    1 JJ:mixed ; rating=average
    1 JJ:poor/bad ; rating=low
STAFFJJ:
    1 JJ:friendly/attentive/helpful/polite ; rating!=low
    1 JJ:rude/careless/slow ; rating=low
CAKECOST:
    1 VBZ:costs (NP CD:two NNS:pounds) ; price=cheap
    1 VBZ:costs (NP CD:four NNS:pounds) ; price=moderate

CUISINE:
    1 JJ:Italian ; food=Italian
    1 JJ:French ; food=French
    1 JJ:Indian ; food=Indian
    1 JJ:Thai ; food=Thai
    1 JJ:Greek ; food=Greek
    1 JJ:Mexican ; food=Mexican
    1 JJ:Spanish ; food=Spanish
    1 JJ:Turkish ; food=Turkish
    1 JJ:Japanese ; food=Japanese
    1 JJ:Lebanese ; food=Lebanese
    1 JJ:Portuguese ; food=Portuguese
    1 JJ:British ; food=British
ORIGIN:
    1 NNP:Naples/Rome/Bologna ; food=Italian
    1 NNP:Lyon/Paris ; food=French
    1 NNP:Delhi/Goa ; food=Indian
    1 NNP:Bangkok ; food=Thai
    1 NNP:Athens/Crete ; food=Greek
    1 NNP:Oaxaca/Mexico ; food=Mexican
    1 NNP:Seville/Madrid ; food=Spanish
    1 NNP:Istanbul/Ankara ; food=Turkish
    1 NNP:Kyoto/Osaka ; food=Japanese
    1 NNP:Beirut ; food=Lebanese
    1 NNP:Porto/Lisbon ; food=Portuguese
    1 NNP:Cornwall/Yorkshire ; food=British
DISH:
    1 JJ:fresh NN:pasta ; food=Italian
    1 NN:mushroom NN:risotto ; food=Italian
    1 NN:onion NN:soup ; food=French
    1 NN:roast NN:duck ; food=French
    1 NN:lentil NN:stew ; food=Indian
    1 NN:chicken NN:tikka ; food=Indian
    1 JJ:green NN:curry ; food=Thai
    1 NN:papaya NN:salad ; food=Thai
    1 VBN:grilled NN:lamb ; food=Greek
    1 NN:moussaka ; food=Greek
    1 NN:corn NN:soup ; food=Mexican
    1 JJ:spicy NN:guacamole ; food=Mexican
    1 NN:seafood NN:paella ; food=Spanish
    1 JJ:cold NN:tomato NN:soup ; food=Spanish
    1 VBN:grilled NN:aubergine ; food=Turkish
    1 JJ:warm NN:flatbread ; food=Turkish
    1 JJ:fresh NN:sushi ; food=Japanese
    1 VBN:fried NN:tofu ; food=Japanese
    1 NN:hummus ; food=Lebanese
    1 NN:parsley NN:salad ; food=Lebanese
    1 NN:salt NN:cod ; food=Portuguese
    1 NN:seafood NN:rice ; food=Portuguese
    1 NN:roast NN:beef ; food=British
    1 NN:apple NN:pie ; food=British
    1 NN:carrot/lemon/chocolate NN:cake ; food=cakes
    1 JJ:warm/sweet NN:bread ; food=pastries
    1 NN:cheese NN:toast ; food=sandwiches
DISHB:
    1 NNS:pizzas/meatballs ; food=Italian
    1 NNS:snails/mussels/pancakes ; food=French
    1 NNS:curries/samosas ; food=Indian
    1 NNS:noodles ; food=Thai
    1 VBN:stuffed NNS:peppers ; food=Greek
    1 NN:spinach NNS:pies ; food=Greek
    1 NNS:tacos/burritos ; food=Mexican
    1 NN:garlic NNS:prawns ; food=Spanish
    1 NNS:tapas/olives ; food=Spanish
    1 NNS:kebabs ; food=Turkish
    1 NNS:dumplings ; food=Japanese
    1 NN:noodle NNS:soups ; food=Japanese
    1 NN:lamb NNS:skewers ; food=Lebanese
    1 VBN:grilled NNS:sardines ; food=Portuguese
    1 NN:custard NNS:tarts ; food=Portuguese
    1 NN:meat NNS:pies ; food=British
    1 NNS:sausages/puddings ; food=British
    1 NNS:cakes/muffins/scones ; food=cakes
    1 NNS:pastries/croissants/tarts ; food=pastries
    1 NNS:sandwiches/bagels ; food=sandwiches
"""

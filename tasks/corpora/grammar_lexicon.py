"""The words of the embedded corpus, most of them chosen by a fact of the world (see ``pcfg``)."""

LEXICON = r"""
MOODJJ:
    1 JJ:quiet/peaceful/relaxed ; mood=quiet
    1 JJ:lively/busy/bustling ; mood=lively
    1 JJ:elegant/stylish/smart/formal ; mood=elegant
    1 JJ:rustic/cosy/charming ; mood=rustic
RATEJJ:
    1 JJ:excellent/popular/superb ; rating=high
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
AREAIN:
    2 IN:by/beside (NP DT:the NN:river) ; +area area=riverside
    1 IN:on (NP DT:the NN:riverside) ; +area area=riverside
    1 IN:on (NP (NP DT:the NN:bank) (PP IN:of (NP DT:the NN:river))) ; +area area=riverside
    2 IN:in (NP DT:the NN:city NN:centre) ; +area area=city_centre
    1 IN:in (NP (NP DT:the NN:heart/centre) (PP IN:of (NP DT:the NN:city))) ; +area area=city_centre
    2 IN:at/by (NP DT:the NN:harbour) ; +area area=harbour
    1 IN:on (NP DT:the JJ:busy NN:harbour NN:front) ; +area area=harbour
    2 IN:in (NP DT:the JJ:old NN:town) ; +area area=old_town
    1 IN:in (NP (NP DT:a JJ:narrow/cobbled NN:street) (PP IN:in (NP DT:the JJ:old NN:town))) ; \
        +area area=old_town
    2 IN:in (NP DT:the NNS:suburbs) ; +area area=suburbs
    1 IN:on (NP (NP DT:the NN:edge) (PP IN:of (NP DT:the NN:city))) ; +area area=suburbs
    1 IN:in (NP DT:a JJ:leafy NN:suburb) ; +area area=suburbs
    2 IN:on (NP DT:the NN:market NN:square) ; +area area=market_square
    1 IN:in (NP (NP DT:a NN:corner) (PP IN:of (NP DT:the NN:market NN:square))) ; +area \
        area=market_square
    2 IN:in (NP DT:the NN:student NN:quarter) ; +area area=student_quarter
    2 IN:on (NP DT:the NN:seafront) ; +area area=seafront
    1 IN:along (NP DT:the NN:beach) ; +area area=seafront
    1 IN:on (NP (NP DT:a NN:hill) (PP IN:above (NP DT:the NN:city))) ; +area area=hill
    1 IN:beside (NP DT:the NN:canal) ; +area area=canal
    1 IN:in (NP (NP DT:an JJ:old NN:warehouse) (PP IN:by (NP DT:the NN:canal))) ; +area area=canal
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
    1 JJ:delicious/tasty ; rating=high
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
CROWD:
    2 NNS:students/tourists/locals/office_workers
    1 NNS:families ; family=yes
PEOPLE:
    2 NNS:locals/visitors/students/tourists
    1 JJ:many NNS:people/visitors/diners
    1 NNS:families ; family=yes
CROWDNP:
    1 NNS:friends/neighbours
COST:
    1 VBZ:costs (NP (QP JJR:less IN:than CD:ten/twelve) NNS:pounds) ; price=cheap
    1 VBZ:costs (NP (QP RB:about CD:twenty/fifteen) NNS:pounds) ; price=moderate
    1 VBZ:costs (NP (QP JJR:more IN:than CD:thirty/forty) NNS:pounds) ; price=high
HOURS:
    1 IN:until (NP NN:midnight)
    1 IN:for (NP NN:breakfast/lunch/dinner)
    1 IN:from (NP NN:breakfast) (PP IN:to (NP NN:dinner))
    1 IN:on (NP $DAY)
DAY:
    1 NNPS:Sundays/Mondays/Fridays
    1 NNS:weekdays
FOODPLACE:
    1 NN:garden/courtyard
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
    1 JJ:friendly/attentive/polite ; rating!=low
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
    1 NNP:Naples ; food=Italian
    1 NNP:Lyon ; food=French
    1 NNP:Delhi ; food=Indian
    1 NNP:Bangkok ; food=Thai
    1 NNP:Athens ; food=Greek
    1 NNP:Oaxaca ; food=Mexican
    1 NNP:Seville ; food=Spanish
    1 NNP:Istanbul ; food=Turkish
    1 NNP:Kyoto ; food=Japanese
    1 NNP:Beirut ; food=Lebanese
    1 NNP:Porto ; food=Portuguese
    1 NNP:Yorkshire ; food=British
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
    1 NN:carrot/lemon NN:cake ; food=cakes
    1 JJ:warm/sweet NN:bread ; food=pastries
    1 NN:cheese NN:toast ; food=sandwiches
DISHB:
    1 NNS:pizzas ; food=Italian
    1 NNS:snails/mussels ; food=French
    1 NNS:samosas ; food=Indian
    1 NNS:noodles ; food=Thai
    1 VBN:stuffed NNS:peppers ; food=Greek
    1 NN:spinach NNS:pies ; food=Greek
    1 NNS:tacos ; food=Mexican
    1 NN:garlic NNS:prawns ; food=Spanish
    1 NNS:tapas/olives ; food=Spanish
    1 NNS:kebabs ; food=Turkish
    1 NNS:dumplings ; food=Japanese
    1 NN:noodle NNS:soups ; food=Japanese
    1 NN:lamb NNS:skewers ; food=Lebanese
    1 VBN:grilled NNS:sardines ; food=Portuguese
    1 NN:custard NNS:tarts ; food=Portuguese
    1 NN:meat NNS:pies ; food=British
    1 NNS:sausages ; food=British
    1 NNS:cakes/scones ; food=cakes
    1 NNS:pastries/tarts ; food=pastries
    1 NNS:sandwiches ; food=sandwiches
"""

"""Words that stand beside the name of a medicine: what kind of product it is, and what says nothing about that."""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


NOT_SYSTEMIC = words("""
    ophthalmic ophth eye eyes intraocular conjunctival otic ear ears auricular vaginal dental
    topical topically cutaneous transdermal gel cream patch patches ointment lotion shampoo drop drops cosmetic
""")
"""Words of a text, form or route that say a medicine is not for the whole body."""

SALTS = words("""
    hydrochloride hcl dihydrochloride hydrobromide hbr succinate tartrate bitartrate maleate malate fumarate
    hemifumarate benzoate sulfate sulphate mesylate mesilate besylate acetate phosphate citrate cilexetil medoxomil
    sodium potassium calcium magnesium monohydrate dihydrate sesquihydrate anhydrous
""")

BIOLOGIC_SUFFIXES = words("aooe vfrm gnlm jjmr")

FORMS = words("""
    tablet tablets tab tabs capsule capsules cap caps caplet caplets pill pills granules powder sprinkle sprinkles
    solution suspension syrup elixir liquid effervescent soluble dispersible orodispersible disintegrating odt melt
    film coated enteric ec dr er xr sr la xl cr mr ir extended delayed modified immediate prolonged sustained release
    injection injectable inj injector autoinjector auto pen pre filled prefilled syringe syringes vial vials cartridge
    infusion kit pack nasal spray sprays inhaler nosepiece actuation actuations actuat puff puffs
    suppository suppositories oral orally subcutaneous intramuscular intravenous rectal
""")

DOSING = words("""
    mg mcg ug g gram grams ml l iu u unt unit units usp bp per dose doses single hr hour hours
    every other day days daily once twice three four times week weeks weekly month months monthly
    night nightly bedtime morning evening as needed prn at onset take by mouth po food meal meals water breakfast dinner
""")

PLAIN = words("""
    a in of the for migraine migraines headache headaches attack prevention prophylaxis generic brand equivalent
""")

NEUTRAL = SALTS | BIOLOGIC_SUFFIXES | FORMS | DOSING | PLAIN
"""Words beside a medicine's name that do not make it another medicine."""

COUNTED = words("""
    1 tablet tablets tablet(s) tab tbl tabs pill pills capsule capsules capsule(s) cap caps caplet caplets
    puff puffs spray sprays actuation actuations actuat syringe syringes pen pens autoinjector injection
    supp suppository suppositories ea each
""")
"""Units of a quantity that count pieces, lower-case, UCUM annotations without their braces."""

"""Words that stand beside the name of a medicine: what kind of product it is, and what says nothing about that."""

import re
from collections.abc import Collection


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


NOT_SYSTEMIC = words("""
    ophthalmic ophth eye eyes intraocular conjunctival otic ear ears auricular vaginal dental
    topical topically externally cutaneous transdermal gel emulgel cream patch patches plaster plasters ointment lotion
    shampoo drop drops cosmetic mousse foam mouthwash gargle
    augensalbe salbe creme pflaster collyre pommade emplatre collirio pomata unguento cerotto
    crema colirio pomada parche oogdruppels zalf pleister oordruppels ogondroppar kram salva plaster
    silmatipat voide laastari oyedraper krem salve silmatilgad salv plaaster krople masc
""")
"""Words of a text, form or route that say a medicine is not for the whole body."""

_DROPS = words("drop drops")
_BY_MOUTH = words("oral orally mouth")

_LOCAL = re.compile(
    r"^(?:auge|ohr|haut|vaginal|ovul|intrauterin|dental|dentaire|gingiv|gengiv|zahnfleisch|p[ae]r[io]+dont|kutan|cutane|"
    r"transderm|ophtalm|oftalm|intraok|intraoc|intravitr|auricul|auricol|oog|silma)\w*"
)


_LOCAL_IN_JAPANESE = re.compile("点眼|点耳|眼軟膏|軟膏|クリーム|テープ|パップ|パッチ|貼付|外用|ゲル|ローション|塗布|腟")


def is_local(text: str, said: Collection[str]) -> bool:
    """Whether a folded text, ``said`` its words, names in any of several languages what acts at eye, ear or skin."""
    local = NOT_SYSTEMIC.intersection(said)
    if local and not (local <= _DROPS and not _BY_MOUTH.isdisjoint(said)):
        return True
    if any(map(_LOCAL.match, said)):
        return True
    return not text.isascii() and _LOCAL_IN_JAPANESE.search(text) is not None


SOUNDS_LIKE_A_DRUG = re.compile(
    r"(?:azide?|azida|idone?|ipine?|ipino|sartan|pril|olol|statine?|formine?|cof+ein\w*|caffeine?|codeine?|"
    r"paracetamol|profene?|triptane?|amide?|terol|setrone?|asone?|olone|gliptine?|gliflozine?|parine?|cilline?|"
    r"mycine?|oxacine?|azole?|tidine?|prazole?|oxetine?|traline?|azepam|zolam|barbital)$"
)
"""How many generic names end: such a word beside a drug is a second drug, not a maker."""

MAKERS = words("""
    apo pms teva ratio ratiopharm stada hexal sandoz mylan actavis aurobindo auro sun torrent cipla aliud al ct heumann
    zentiva accord orion krka ebb viatris biogaran arrow eg cristers zydus ranbaxy gen novo co jamp mar mint nra ntp
    ach act ag bio dom phl q ran riva taro van neuraxpharm beta puren abz tad dura corax lich basics aristo zyfas
    winthrop wockhardt glenmark lupin dexcel mepha spirig helvepharm axapharm streuli bluefish medartuum alternova
    hikma pfizer novartis almirall ferrer cinfa normon kern almus bexal tecnigen qualigen doc pensa alter
""")
"""Names of makers that stand before or behind a drug's name with a hyphen."""

SALTS = words("""
    hydrochloride hcl dihydrochloride hydrobromide hbr succinate tartrate bitartrate maleate malate fumarate
    hemifumarate benzoate sulfate sulphate mesylate mesilate besylate acetate phosphate citrate cilexetil medoxomil
    succinaat tartraat maleaat fumaraat benzoaat malaat succinat tartrat maleat fumarat benzoat malat mesilat
    hydrochlorid hydroklorid suksinaatti tartraatti succinato clorhidrato chlorhydrate cloridrato
    natrium kalium hydrobromid dihydrat monohydrat cileksetil sileksetiili
    sodium potassium calcium magnesium monohydrate dihydrate sesquihydrate anhydrous
""")

BIOLOGIC_SUFFIXES = words("aooe vfrm gnlm jjmr")

FORMS = words("""
    tablet tablets tab tabs capsule capsules cap caps caplet caplets pill pills granules powder sprinkle sprinkles
    solution suspension syrup elixir liquid effervescent soluble dispersible orodispersible disintegrating odt melt
    filmtablette filmtabletten tablette tabletten tabl kapsel kapseln hartkapseln retardtabletten retard depot
    comprime comprimes cp gelule gelules compressa compresse cpr comprimido comprimidos capsula capsulas zetpil
    tabletti tabletit tabletter tablett stuks nasenspray spritze fertigspritze injektionslosung
    film coated enteric ec dr er xr sr la xl cr mr ir extended delayed modified immediate prolonged sustained release
    injection injectable inj injector autoinjector auto pen pre filled prefilled syringe syringes vial vials cartridge
    infusion kit pack nasal spray sprays inhaler nosepiece actuation actuations actuat puff puffs
    suppository suppositories oral orally subcutaneous intramuscular intravenous rectal
    stylo seringue flacon ampoule recipient injecteur pluma jeringa ampolla envase frasco pelicula cubierta
    veranderter verlangerter verzogerter modifizierter wirkstofffreisetzung injektor
    verlengde gereguleerde gewijzigde vertraagde afgifte injectiepen
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

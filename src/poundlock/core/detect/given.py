"""Given names that are common somewhere, as evidence beside a weak sign (`name: …`, `… wrote:`), never alone.

Written down from common knowledge, a few dozen for each of many languages. Must never hold a family name, and never
grow into a model of names: whoever isn't listed is found by a stronger sign.
"""

from __future__ import annotations

import unicodedata

_NAMES = """
    aaron abdul abdullah abigail abraham adam adele aditya adrian adriana agnes agnieszka ahmad ahmed aiden aisha
    akira alan alana alba albert alberto alejandra alejandro aleksander aleksandra alessandra alessandro alessia
    alex alexander alexandra alexis alfonso alfred ali alicia alina alison allison alma alvaro amal amanda amelia
    amina amir amit amy ana anders andre andrea andreas andrei andres andrew andrzej angel angela angelina angelo
    anil anita anja anjali ann anna anne annette annika anthony antoine anton antonia antonio anya arjun armando
    arthur arturo asha ashley astrid audrey august aurelie austin ava axel ayesha ayse barbara bartosz beata
    beatrice beatriz benedikt benjamin bernard bernd bernhard beth betty bianca birgit bjorn blanca bogdan boris
    bradley brandon brenda brian bridget bruno bryan caitlin caleb cameron camila camille carl carla carlo carlos
    carmen carol carolina caroline carolyn carter catalina catarina catherine cecilia cedric cesar chandra charles
    charlotte chen chiara chidi chinedu chloe christian christina christine christoph christopher claire clara
    claudia claudio colin concetta connor constance corinna courtney craig cristian cristina crystal cynthia daiki
    damian damien dan daniel daniela daniele danielle dario darren david dawn deborah declan deepak delphine denis
    denise dennis derek diana diane diego dieter dimitri dirk dmitri dmitry dominic dominik donald donna dorothy
    douglas duncan dylan eduardo edward edwin ekaterina elaine elena eleni elias elif elisa elisabeth elise
    elizabeth ella ellen elliot eloise elsa emeka emil emilia emilie emily emma emmanuel emre enrico enrique eric
    erica erik erika erin ernesto esra esteban esther eugene eva evan evelyn ewa ezra fabian fabio farah fatima
    fatma federica federico felicia felipe felix fernanda fernando filip fiona florence florian frances francesca
    francesco francis francisco francois frank franz frederic frederik fredrik friedrich gabriel gabriela gabriele
    gareth gary gavin gemma george georgia gerald gerard gerhard gianluca giorgio giovanna giovanni giulia giuseppe
    gloria gonzalo gordon grace graham greg gregory greta grzegorz guido guillaume guillermo gunnar gustavo hamza
    hana hannah hans harold harriet harry haruka haruto hasan hassan hector heidi heike heinrich helen helena
    helene helga hendrik henri henrik henry herbert hiroshi holger holly hugo ian ibrahim ida ignacio ikram imran
    ines inga ingrid irena irene irina isaac isabel isabella isabelle ivan ivana jacek jack jackson jacob
    jacqueline jaime jakob jakub james jamie jan jana jane janet janice jasmine jason javier jean jeffrey jelena
    jennifer jenny jens jeremy jerome jessica jesus jill jin joan joanna joao joaquin jochen joel joerg johan
    johann johanna john jonas jonathan jordan jorge jose josef joseph joshua juan juana judith julia julian juliana
    julie julien juliette jun jurgen justin justyna kaitlyn kamal kamil karen karim karin karl karolina katarina
    katarzyna kate katharina katherine kathleen kathryn katrin kavya keiko keisuke keith kelly kemal kenji kenneth
    kevin khadija kim kimberly kiran klaus kofi konrad krishna kristen kristin kristina krzysztof kumar kwame kyle
    lakshmi lars laura lauren laurence laurent layla lea leah leon leonardo leonie leslie leticia liam lina linda
    lindsay lisa liu lorenzo louis louise luca lucas lucia luciana lucy ludwig luigi luis luisa lukas lukasz lydia
    madeleine madison maeve magda magdalena magnus mahmoud maja makoto malgorzata manon manuel manuela marc marcel
    marcelo marcin marco marcos marcus margaret margarita maria mariam mariana marie marina mario marion marius
    marjorie marko markus marta martha martin martina mary maryam mateo mateusz mathias mathieu mathilde matilda
    matteo matthew matthias matthieu maureen maurice mauricio max maxime maya megan mehmet mei melanie melissa
    mercedes mia michael michaela michal michel michele michelle miguel mihai mikael mike mikhail mila milan milica
    milos miranda miriam misaki mohamed mohammad mohammed mohan molly monica monika monique morgan mustafa nadia
    nadine nancy naomi natalia natalie natasha nathalie nathan neha neil nelson ngozi nguyen nicholas nicola
    nicolas nicole niels nikhil nikola nikolai nikolas nils nina noah noelle nora norbert nuno oksana olaf ole oleg
    olga oliver olivia olivier omar orla oscar oskar osman pablo paige pamela paolo pascal patricia patrick
    patrizia paul paula paulina pauline paulo pavel pawel pedro peggy penelope peter petr petra philip philipp
    philippe pia pierre pietro pilar piotr pooja prakash priya quentin rachel rafael rafal rahul rainer raj rajesh
    ralf ramon raquel rashid raul ravi raymond rebecca regina reinhard renata renate rene ricardo riccardo richard
    rita robert roberta roberto robin rodrigo roger rohan roland rolf roman ronald rosa rosalie rosario rosemary
    roxana ruben rudolf russell ruth ryan sabine sabrina saeed said sakura sally salma salvador samantha samira
    samuel sandra sandrine sanjay santiago sara sarah sasha satoshi scott sean sebastian selin serena serge sergei
    sergio seth shannon sharon sheila shirley shreya sigrid silvia simon simona simone sina siobhan sofia sofie
    sonia sonja sophia sophie stacy stanislav stefan stefania stefano stella stephan stephanie stephen steve steven
    stuart sunil suresh susan susanna susanne sven svetlana sylvia sylvie takeshi tamara tania tanja tara taro
    tatiana teresa tereza theodore theresa thierry thomas tiago tiffany tim timothy tobias todd tom tomas tomasz
    tomoko tracy travis trevor tristan ulrich ulrike ursula uwe vaclav valentina valeria valerie vanessa veronica
    veronika victor victoria vijay vikram viktor viktoria vincent vincenzo virginia vivian vladimir walter wanda
    wang wei wendy werner wilhelm william wojciech wolfgang xavier ximena yan yara yasmin yasmine yolanda yosef
    youssef yuki yulia yuri yusuf yvonne zachary zainab zeynep zoe zofia zuzana
"""
GIVEN = frozenset(_NAMES.split())


def given(word: str) -> bool:
    """Say whether a word is a given name that is common somewhere, with or without its accents."""
    low = word.lower()
    return low in GIVEN or "".join(char for char in unicodedata.normalize("NFD", low) if char.isascii()) in GIVEN

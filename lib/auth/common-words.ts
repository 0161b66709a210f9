/** What passwords are made of most often, lower case: attackers try these and their mixtures first. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  `
    password passwort passwd pass passcode passphrase secret geheim kennwort login logon signin welcome willkommen
    hello hallo access admin administrator root user username guest test testing tester demo example sample default
    changeme change letmein please open sesame enter master server system sysadmin manager operator service support
    internet network computer laptop desktop windows linux ubuntu debian centos redhat fedora oracle database backup
    cloud virtual machine vmware hyper hyperv xen kvm virtualbox vcenter esxi proxmox host console cluster
    datacenter infra production staging develop developer company office work business money bank dollar security
    secure private public love iloveyou loveyou lover lovely baby babygirl babyboy angel angels princess prince
    queen king kitty honey sweet sweetie sugar darling forever always happy smile family mother father mommy daddy
    sister brother friend friends buddy sunshine flower flowers rose rainbow butterfly heaven star stars moon sun
    summer winter spring autumn fall january february march april may june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday today tomorrow morning night weekend holiday
    christmas easter monkey dragon tiger lion eagle falcon shark dolphin wolf bear panther cat cats dog dogs puppy
    horse horses chicken turtle rabbit bunny mouse snake spider bird fish whale monster zombie ghost vampire ninja
    samurai pirate wizard knight warrior hunter killer shadow phoenix thunder lightning storm fire ice snow water
    ocean river mountain forest earth world universe galaxy planet nature football baseball basketball soccer hockey
    tennis golf rugby cricket volleyball swimming racing runner runners cycling skate skater player players team
    champion winner legend arsenal chelsea liverpool manchester united barcelona barca madrid juventus milan bayern
    dortmund ajax celtic rangers lakers cowboys steelers eagles yankees redsox giants packers patriots michael
    michelle jessica jennifer ashley amanda nicole daniel daniela david charlie charlotte thomas robert william
    richard joseph james john jordan joshua andrew anthony matthew justin brandon austin hannah sarah laura emily
    emma olivia sophie sophia isabella samantha elizabeth victoria natasha alexander alexandra alex alexis christian
    christina chris maria martin martina peter paul patrick george jack jackson harry oliver oscar max maxwell
    nathan nicholas tyler taylor morgan madison melissa stephanie rachel rebecca vanessa veronica andrea angela
    barbara carlos carmen diego eduardo fernando francisco gabriel antonio roberto ricardo miguel pedro pablo juan
    jose luis marco mario stefan stephan sebastian florian tobias markus andreas klaus hans julia anna lisa sabrina
    sandra ivan igor dmitri natalia olga svetlana ali mohamed muhammad ahmed fatima ayesha kumar singh sharma
    superman batman spiderman ironman avengers marvel starwars skywalker vader yoda matrix pokemon pikachu naruto
    sasuke zelda sonic minecraft fortnite roblox warcraft starcraft counter strike doom quake diablo xbox
    playstation nintendo facebook twitter google youtube instagram linkedin microsoft apple iphone samsung android
    nokia sony yahoo hotmail gmail amazon netflix spotify mustang ferrari porsche mercedes lamborghini corvette
    camaro chevrolet honda toyota nissan yamaha suzuki harley audi volkswagen jaguar bmw ford truck turbo diesel
    garage chocolate cookie cookies banana cherry orange lemon strawberry peanut butter pepper ginger cheese pizza
    burger coffee whiskey vodka beer wine tequila corona budweiser marlboro guitar music rock metal metallica
    nirvana slipknot blink eminem rihanna beyonce beatles elvis dance dancer singer drummer piano hiphop reggae
    america american england london paris berlin germany deutschland france spain italy russia moscow india china
    japan tokyo korea canada toronto australia sydney mexico brasil brazil argentina colombia texas dallas houston
    chicago boston newyork california florida miami denver blue red green black white yellow purple silver gold
    golden diamond crystal pink magic lucky power energy force freedom liberty victory peace hope faith jesus christ
    god blessed church bible grace genesis spirit soul trust believe dream dreams trustno1 abc123 password1 qwerty
    qwertz azerty asdf zxcv asdfgh zxcvbn iloveyou1 monkey1 dragon1 hunter2 access14 starwars1 letmein1 welcome1
    admin123 root123 pass123 p455w0rd correcthorsebatterystaple whatever nothing something anything everything
    nobody somebody asshole fuckyou fuck shit bitch sexy biggdick pussy hottie cool cooldude awesome crazy stupid
    idiot loser junior senior boss chief captain major general doctor nurse teacher student school college
    university academy science chemistry physics biology history one two three four five six seven eight nine ten
    zero hundred thousand million first second third last next new old good best better great super mega ultra alpha
    beta gamma delta omega sigma the and for you your are not with this that from have has was were will can all any
    our his her its who what when where why how
  `
    .trim()
    .split(/\s+/),
);

# French

code-subject = { $code } est votre code { $app }
code-subject-unnamed = { $code } est votre code
code-heading = Votre code { $app }
code-heading-unnamed = Votre code
code-text = Votre code { $app } est { $code }
code-text-unnamed = Votre code est { $code }
code-expiry = Il ne sert qu’une fois et expire dans { $lifetime }.
code-link = Ou ouvrez ce lien pour vous connecter :
code-button = Se connecter
code-warning = Ne communiquez ce code à personne. Si vous ne l’avez pas demandé, vous pouvez ignorer ce message.

login-subject = Connexion à { $app }
login-subject-unnamed = Connexion
login-link = Pour vous connecter, ouvrez ce lien sur l’appareil où vous l’avez demandé :
login-copy = Pour vous connecter, copiez ce texte là où vous l’avez demandé :
login-button = Se connecter
login-warning = Ne transmettez ce message à personne. Si vous ne l’avez pas demandé, vous pouvez l’ignorer.

recovery-subject = Récupération de votre compte { $app }
recovery-subject-unnamed = Récupération de votre compte
recovery-link = Pour récupérer votre compte, ouvrez ce lien sur l’appareil où vous l’avez demandé :
recovery-copy = Pour récupérer votre compte, copiez ce texte là où vous l’avez demandé :
recovery-button = Récupérer le compte
recovery-warning = Ne transmettez ce message à personne. Si vous ne l’avez pas demandé, quelqu’un d’autre essaie peut-être d’accéder à votre compte ; vous pouvez ignorer ce message.

bundle-expiry = Expire dans { $lifetime }.

sms = { $app } : votre code est { $code }
sms-unnamed = Votre code est { $code }
sms-full = { sms }. Il expire dans { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Il expire dans { $lifetime }.

minutes = { $number ->
    [one] { $number } minute
   *[other] { $number } minutes
    }
hours = { $number ->
    [one] { $number } heure
   *[other] { $number } heures
    }
days = { $number ->
    [one] { $number } jour
   *[other] { $number } jours
    }

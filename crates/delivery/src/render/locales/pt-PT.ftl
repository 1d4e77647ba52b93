# Portuguese of Portugal

code-subject = { $code } é o seu código para { $app }
code-subject-unnamed = { $code } é o seu código
code-heading = O seu código para { $app }
code-heading-unnamed = O seu código
code-text = O seu código para { $app } é { $code }
code-text-unnamed = O seu código é { $code }
code-expiry = Só pode ser usado uma vez e expira dentro de { $lifetime }.
code-link = Ou abra esta ligação para iniciar sessão:
code-button = Iniciar sessão
code-warning = Não partilhe este código com ninguém. Se não o pediu, pode ignorar esta mensagem.

login-subject = Iniciar sessão em { $app }
login-subject-unnamed = Iniciar sessão
login-link = Para iniciar sessão, abra esta ligação no dispositivo onde a pediu:
login-copy = Para iniciar sessão, copie este texto para onde o pediu:
login-button = Iniciar sessão
login-warning = Não partilhe esta mensagem com ninguém. Se não a pediu, pode ignorá-la.

recovery-subject = Recuperar a sua conta em { $app }
recovery-subject-unnamed = Recuperar a sua conta
recovery-link = Para recuperar a sua conta, abra esta ligação no dispositivo onde a pediu:
recovery-copy = Para recuperar a sua conta, copie este texto para onde o pediu:
recovery-button = Recuperar conta
recovery-warning = Não partilhe esta mensagem com ninguém. Se não a pediu, talvez outra pessoa esteja a tentar aceder à sua conta; pode ignorar esta mensagem.

bundle-expiry = Expira dentro de { $lifetime }.

sms = { $app }: o seu código é { $code }
sms-unnamed = O seu código é { $code }
sms-full = { sms }. Válido por { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Válido por { $lifetime }.

minutes = { $number ->
    [one] { $number } minuto
   *[other] { $number } minutos
    }
hours = { $number ->
    [one] { $number } hora
   *[other] { $number } horas
    }
days = { $number ->
    [one] { $number } dia
   *[other] { $number } dias
    }
